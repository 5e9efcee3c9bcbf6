"""When what goes wrong, and that each kind of weather changes what it says and nothing else."""

from __future__ import annotations

from routenlp.bench.pilot.episodes import EIGHT_WEEKS, Episode, Kind, Weather, weather
from routenlp.bench.pilot.noise import ocr


def test_an_episode_is_on_from_its_first_day_to_the_day_before_its_end():
    episode = Episode(Kind.WORSE, 3, 2, 0.05)
    assert [episode.on(day) for day in range(2, 6)] == [False, True, True, False]


def test_one_without_an_end_stays():
    assert Episode(Kind.PRICE, 3, None, 0.5).on(1_000)


def test_a_day_without_episodes_has_fair_weather():
    assert weather(EIGHT_WEEKS, 0) == Weather()


def test_episodes_of_a_day_add_up():
    found = weather([Episode(Kind.PRICE, 0, None, 0.5), Episode(Kind.OUTAGE, 0, 1, 1.0)], 0)
    assert found == Weather(price=0.5, outage=True)


def test_all_kinds_come_within_eight_weeks_and_no_two_of_one_kind_at_once():
    assert {episode.kind for episode in EIGHT_WEEKS} == set(Kind)
    for kind in Kind:
        mine = [episode for episode in EIGHT_WEEKS if episode.kind is kind]
        assert all(sum(episode.on(day) for episode in mine) <= 1 for day in range(56))


def test_ocr_noise_changes_about_its_share_of_letters_and_is_the_same_each_time():
    text = "The customer shall not be liable for any damages. " * 20
    noisy = ocr(text, 0.08, "row-1")
    assert noisy == ocr(text, 0.08, "row-1")
    assert noisy != ocr(text, 0.08, "row-2")

    assert abs(len(noisy) - len(text)) < 0.1 * len(text)


def test_text_without_letters_to_misread_stays():
    assert ocr("", 0.5, "x") == ""
