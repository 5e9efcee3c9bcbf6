"""One stub, and gateways for those tests that need none of their own: an open one, and one with keys and a store."""

from __future__ import annotations

import time

import pytest
from tests.gateway import running
from tests.gateway import stub as stubs
from tests.gateway.leaks import Guarded

from routenlp.store.sql import keys
from routenlp.store.sql.database import open_store

openai = pytest.importorskip("openai")


@pytest.fixture(scope="session")
def stub_server():
    stub, stop = stubs.start()
    yield stub
    stop()


@pytest.fixture
def stub(stub_server):
    stub_server.reset()
    return stub_server


@pytest.fixture(scope="session")
def policy_folder(tmp_path_factory):
    return running.write_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def shared_gateway(stub_server, policy_folder, tmp_path_factory):
    text = running.settings(stub_server.url, policy_folder, tier=", first_token_s: 2, total_s: 3, retries: 1")
    gateway = running.start(tmp_path_factory.mktemp("gateway"), text)
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(shared_gateway, stub):
    return shared_gateway


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0, timeout=10) as one:
        yield one


@pytest.fixture(scope="session")
def guarded_gateway(stub_server, policy_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    connection = open_store(folder / "routenlp.db")
    secret = keys.create(connection, "tests", now_s=time.time()).secret
    connection.close()
    more = "store: {url: 'sqlite:///routenlp.db'}\ncontent: {store: all}"
    tier = ", first_token_s: 2, total_s: 3, retries: 0"
    text = running.settings(stub_server.url, policy_folder, more=more, tier=tier, auth="keys")
    gateway = running.start(folder, text)
    yield Guarded(gateway, folder, secret)
    gateway.stop()


@pytest.fixture
def guarded(guarded_gateway, stub):
    return guarded_gateway
