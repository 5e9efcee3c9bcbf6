"""A language model learns from lessons: sequence-level distillation by LoRA or in full (extra `train`).

The loss is on the teacher's answer alone (Kim and Rush 2016: Sequence-Level Knowledge Distillation, on one answer a
query). The model lies in a folder in Hugging Face's layout: nothing is fetched. What comes out is sealed: the adapter
or the model, and a few greedy answers of it by which a server that has loaded it can be told from one that has not.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from routenlp.errors import MissingData, TrainingError
from routenlp.loop.lessons import Lesson
from routenlp.store.sealed import SEAL, check, seal, sha256_of
from routenlp.training.distil.chat_lines import Message, asked, taught
from routenlp.training.distil.completions import Completion, Descent, fit_completions
from routenlp.training.distil.distiller import Distilled, lessons_hash, some, version_name

PROBES = 8
PROBE_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the model is trained."""

    rank: int | None = 16
    """Of the LoRA adapter, on all linear layers; None: every weight is trained."""
    epochs: float = 3.0
    learning_rate: float = 2e-4
    batch: int = 8
    most_tokens: int = 1_024
    """A longer conversation is cut at its end."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LanguageModelDistiller:
    """`Distiller` of one tier. Same base, lessons and settings on one kind of machine: the same name and weights."""

    tier: str
    base: Path
    """Folder with config, weights (safetensors) and a tokenizer that has a chat template."""
    tuning: Tuning = Tuning()
    system: Mapping[str, str] = field(default_factory=dict)
    """System prompts by task: the very ones that the tier is asked with."""

    def distil(self, lessons: Sequence[Lesson], into: Path) -> tuple[Distilled, ...]:
        """One version; see `Distiller`."""
        need_torch()
        learned = lessons_hash(some(lessons))
        name = version_name(self.tier, base_hashes(self.base), learned, asdict(self.tuning), dict(self.system))
        folder = into / name
        if not folder.is_dir():
            seal(folder, lambda temporary: self._train(lessons, learned, temporary))
        check(folder)
        return (Distilled(self.tier, name, folder, len(lessons), learned),)

    def _train(self, lessons: Sequence[Lesson], learned: str, folder: Path) -> Mapping[str, object]:
        from transformers import set_seed

        set_seed(self.tuning.seed)
        model, tokenizer = load(self.base)
        model = model.to(device())
        prompts = [asked(lesson.query, self.system.get(lesson.query.task)) for lesson in lessons[:PROBES]]
        before = [greedy(model, tokenizer, prompt) for prompt in prompts]
        rows = [_row(tokenizer, taught(lesson, self.system.get(lesson.query.task))) for lesson in lessons]
        trained = model if self.tuning.rank is None else _with_adapter(model, self.tuning.rank)
        descent = Descent(self.tuning.epochs, self.tuning.learning_rate, self.tuning.batch, self.tuning.seed)
        loss = fit_completions(model, [row.cut(self.tuning.most_tokens) for row in rows], descent)
        if not loss < float("inf"):
            raise TrainingError("language model", f"ended with loss {loss}", "Lower the learning rate")
        trained.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
        after = [greedy(trained, tokenizer, prompt) for prompt in prompts]
        probes = [
            {"messages": prompt, "answer": new, "base_answer": old}
            for prompt, new, old in zip(prompts, after, before, strict=True)
        ]
        kind = "full" if self.tuning.rank is None else "lora"
        return {
            "tier": self.tier,
            "kind": kind,
            "lessons": len(lessons),
            "lessons_sha256": learned,
            "loss": loss,
            "probes": probes,
            **_origin(self.base),
        }


def need_torch() -> None:
    """Raises `MissingData` that names the extra, before anything heavy is imported."""
    missing = [name for name in ("torch", "transformers", "peft") if not importlib.util.find_spec(name)]
    if missing:
        raise MissingData(
            "distillation", f"needs {', '.join(missing)}", "Install the extra: pip install 'routenlp[train]'"
        )


def base_hashes(base: Path) -> dict[str, str]:
    """SHA-256 of every file of the base model's folder, by name. Raises `MissingData` where there is no model."""
    files = sorted(path for path in base.glob("*") if path.is_file()) if base.is_dir() else []
    if not any(path.suffix == ".safetensors" for path in files):
        raise MissingData(str(base), "holds no model", "Name a folder with config.json, *.safetensors and a tokenizer")
    return {path.name: sha256_of(path) for path in files}


def _origin(base: Path) -> dict[str, object]:
    """Of a base that a GGUF file was made into: that file's SHA-256. Raises `ArtefactError` where it was altered."""
    about = check(base) if (base / SEAL).is_file() else {}
    return {"gguf_sha256": about["gguf_sha256"]} if "gguf_sha256" in about else {}


def load(folder: Path, adapter: Path | None = None) -> tuple[Any, Any]:
    """(model, tokenizer) for `greedy`, in float32, with the adapter merged in; nothing is fetched, no code is run."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.chat_template is None:
        raise MissingData(str(folder), "has no chat template", "Add chat_template.jinja: the one it is asked with")
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype="float32")
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return model.eval(), tokenizer


def greedy(model: Any, tokenizer: Any, messages: Sequence[Message], most_tokens: int = PROBE_TOKENS) -> str:
    """The likeliest answer, token by token."""
    import torch

    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    model.eval()
    with torch.inference_mode():
        found = model.generate(
            **inputs.to(model.device), max_new_tokens=most_tokens, do_sample=False, pad_token_id=tokenizer.pad_token_id
        )
    return str(tokenizer.decode(found[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def device() -> str:
    """`cuda` where there is a card, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _with_adapter(model: Any, rank: int) -> Any:
    """The model with LoRA's matrices put into it; they alone are trained."""
    from peft import LoraConfig, get_peft_model

    adapter = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, adapter)


def _row(tokenizer: Any, messages: list[Message]) -> Completion:
    """Cut where the answer begins; with what the chat template puts behind it."""
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    if not whole.startswith(prompt):
        raise TrainingError("chat template", "changes what was said before", "Use one that only appends.")
    parts = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (prompt, whole[len(prompt) :]))
    return Completion(*map(tuple, parts))
