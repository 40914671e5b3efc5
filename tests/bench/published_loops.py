"""The published diffusion loops, each in its own code, on random weights in the shape of our own model.

`peers` starts this file in an interpreter of its own, because those loops want the transformers that they were written
for; it therefore imports nothing of this project. A job comes as JSON on standard input, and milliseconds leave as JSON
on the last line of standard output.

    Dream, Fast-dLLM    write on behind a prompt, in a given number of steps
    DreamOn             fills between two halves of a prompt, one token a step
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import MethodType, SimpleNamespace
from typing import Any

import torch

NUM_RUNS = 3

Fill = Callable[[torch.Tensor, int], object]
"""Prompt ids [1, P] and the number of new tokens → nobody looks."""


def random_model(package: str, job: dict[str, Any]) -> torch.nn.Module:
    """Dream's class in the shape, number format and place that the job names."""
    config_class = importlib.import_module(f"{package}.configuration_dream").DreamConfig
    model_class = importlib.import_module(f"{package}.modeling_dream").DreamModel
    torch.manual_seed(0)
    with torch.device(job["device"]):
        return model_class(config_class(**job["shape"])).to(getattr(torch, job["dtype"])).eval()


def loops(job: dict[str, Any]) -> dict[str, Fill]:
    """The loops found in the folders of the job, by name."""
    folder = Path(job["dream_code"])
    sys.path.insert(0, str(folder.parent))
    model, steps = random_model(folder.name, job), job["num_steps"]
    found: dict[str, Fill] = {
        "Dream's loop": lambda ids, num_new: model.diffusion_generate(ids, **plan(num_new, steps))
    }
    if (folder / "generation_utils_block.py").exists():
        mixin = importlib.import_module(f"{folder.name}.generation_utils_block").DreamGenerationMixin
        blocked = random_model(folder.name, job)
        for name in ("diffusion_generate", "_sample"):
            setattr(blocked, name, MethodType(getattr(mixin, name), blocked))
        found["Fast-dLLM's loop"] = lambda ids, num_new: blocked.diffusion_generate(
            ids, **plan(num_new, steps), block_length=num_new
        )
    if job["dreamon_code"]:
        found["DreamOn's loop"] = dreamon(Path(job["dreamon_code"]), model, job)
    return found


def plan(num_new: int, num_steps: int) -> dict[str, Any]:
    """Arguments of Dream's loop: the most certain tokens first, equally many in every step."""
    return {"max_new_tokens": num_new, "steps": num_steps, "temperature": 0.0, "alg": "entropy"}


def dreamon(folder: Path, model: torch.nn.Module, job: dict[str, Any]) -> Fill:
    """Arguments of DreamOn's loop: one token a step, as published; no expansion, which is random with such weights."""
    sys.path.insert(0, str(folder))
    module = importlib.import_module("generator")
    mask, expand, end = job["shape"]["mask_token_id"], job["shape"]["vocab_size"] - 1, job["shape"]["pad_token_id"]
    settings = vars(module.MDMGeneratorArgs()) | {"alg": "entropy", "delete_eos_token": False, "device": job["device"]}
    tokenizer = SimpleNamespace(mask_id=mask, expand_id=expand, eos_id=end)

    def fill(ids: torch.Tensor, num_new: int) -> object:
        generator = module.MDMGenerator(SimpleNamespace(**settings | {"steps": num_new}), model, tokenizer)
        half = ids.shape[1] // 2
        return generator.batch_generate(
            torch.cat((ids[:, :half], ids.new_full((1, num_new), mask), ids[:, half:]), dim=1)
        )

    return fill


def milliseconds(fill: Fill, num_prompt: int, num_new: int, job: dict[str, Any]) -> float:
    """Median of a few runs, after one that pays for starting."""
    # Neither the mask nor the end of a text may stand in a prompt.
    ids = torch.randint(min(1000, job["shape"]["mask_token_id"]), (1, num_prompt), device=job["device"])
    times = []
    with torch.inference_mode():
        for _ in range(NUM_RUNS + 1):
            synchronize(job["device"])
            start = time.perf_counter()
            fill(ids.clone(), num_new)
            synchronize(job["device"])
            times.append((time.perf_counter() - start) * 1000)
    return median(times[1:])


def synchronize(device: str) -> None:
    """Wait until the device has done all its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def main() -> None:
    """Read a job, time every loop at every size."""
    job = json.load(sys.stdin)
    torch.set_num_threads(job["threads"])
    found = loops(job)
    print(
        json.dumps(
            [[name, *size, milliseconds(fill, *size, job)] for size in job["sizes"] for name, fill in found.items()]
        )
    )


if __name__ == "__main__":
    main()
