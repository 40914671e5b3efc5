"""Other engines in the same run on the same machine, with the same weights, or else weights of the same shape."""

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch

from dlm_model.engine import Engine
from dlm_model.network.transformer import Transformer
from tests.bench.machine import synchronize
from tests.bench.report import GateError, Row

NUM_RUNS = 3


Sizes = tuple[tuple[int, int], ...]
"""Tokens of prompt and middle."""


def measure_peers(engine: Engine, sizes: Sizes, arguments: argparse.Namespace, num_steps: int) -> Iterator[Row]:
    """A row for each peer that is installed, with the prompts and middles of our own rows."""
    yield from _transformers(engine, sizes)
    if arguments.gguf:
        yield from _llama_cpp(arguments.gguf, sizes)
    if arguments.dream_code:
        yield from _published(engine, sizes, arguments, num_steps)


def _transformers(engine: Engine, sizes: Sizes) -> Iterator[Row]:
    """transformers' own generate: left to right, one token a forward, static cache, compiled on a GPU."""
    model = _as_causal_model(engine.network)
    for prompt_tokens, middle_tokens in sizes:
        ids = torch.randint(engine.network.config.vocab_size, (1, prompt_tokens), device=model.device)

        def generate(ids: torch.Tensor = ids, num_new: int = middle_tokens) -> None:
            model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=num_new,
                min_new_tokens=num_new,
                do_sample=False,
                cache_implementation="static",
            )

        total = _median_ms(generate, model.device)
        yield _row("transformers generate, left to right", prompt_tokens, middle_tokens, total, middle_tokens)


def _as_causal_model(network: Transformer) -> torch.nn.Module:
    """Our weights in transformers' class for their shape; both share the memory."""
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    config = network.config
    is_qwen = config.has_qkv_bias
    config_class, model_class = (Qwen2Config, Qwen2ForCausalLM) if is_qwen else (LlamaConfig, LlamaForCausalLM)
    shape = config_class(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        max_position_embeddings=config.context_length,
        rms_norm_eps=config.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.ties_embeddings,
        bos_token_id=config.bos_token_id,
        eos_token_id=None,
        pad_token_id=config.bos_token_id,
    )
    with torch.device("meta"):
        model = model_class(shape).to(network.embed_tokens.weight.dtype)
    ours = {name: weight.to_dense() if weight.is_mkldnn else weight for name, weight in network.state_dict().items()}
    head = ours.pop("lm_head.weight", network.embed_tokens.weight)
    weights = {f"model.{name}": weight for name, weight in ours.items()} | {"lm_head.weight": head}
    model.load_state_dict(weights, assign=True)
    # Not among the weights, so that it would be left without values.
    model.model.rotary_emb = type(model.model.rotary_emb)(shape).to(network.device)
    return model.eval()


def _llama_cpp(path: str, sizes: Sizes) -> Iterator[Row]:
    """llama.cpp on the CPU: left to right, in the precision of its file.

    Raises:
        GateError: llama-cpp-python is not installed.
    """
    try:
        from llama_cpp import Llama
    except ImportError:
        raise GateError("--gguf needs the package llama-cpp-python") from None

    context, threads = max(prompt + middle for prompt, middle in sizes) + 1, torch.get_num_threads()
    model = Llama(path, n_ctx=context, n_threads=threads, n_threads_batch=threads, verbose=False)
    for prompt_tokens, middle_tokens in sizes:

        def generate(num_prompt: int = prompt_tokens, num_new: int = middle_tokens) -> None:
            model.reset()
            for number, _ in enumerate(model.generate(list(range(1000, 1000 + num_prompt)), temp=0.0), start=1):
                if number == num_new:
                    return

        total = _median_ms(generate, torch.device("cpu"))
        yield _row(f"llama.cpp {Path(path).stem}, left to right", prompt_tokens, middle_tokens, total, middle_tokens)


def _published(engine: Engine, sizes: Sizes, arguments: argparse.Namespace, num_steps: int) -> Iterator[Row]:
    """Dream's published loop, and those of Fast-dLLM and DreamOn where their code is found; see `published_loops`.

    Raises:
        GateError: one of them does not run with the interpreter that was named.
    """
    network = engine.network
    config = network.config
    job = {
        "dream_code": str(Path(arguments.dream_code).resolve()),
        "dreamon_code": arguments.dreamon_code and str(Path(arguments.dreamon_code).resolve()),
        "device": engine.device,
        "dtype": str(network.embed_tokens.weight.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "num_steps": num_steps,
        "sizes": sizes,
        "shape": {
            "vocab_size": config.vocab_size,
            "hidden_size": config.hidden_size,
            "intermediate_size": config.intermediate_size,
            "num_hidden_layers": config.num_layers,
            "num_attention_heads": config.num_heads,
            "num_key_value_heads": config.num_kv_heads,
            "max_position_embeddings": config.context_length,
            "rope_theta": config.rope_theta,
            "mask_token_id": config.mask_token_id,
            "pad_token_id": config.mask_token_id,
        },
    }
    # -P keeps the folder of the script off the path: it has a module named like one of Python's own.
    command = [arguments.dream_python, "-P", str(Path(__file__).with_name("published_loops.py"))]
    ending = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=False)
    if ending.returncode:
        raise GateError(f"the loops of {arguments.dream_code} do not run with {arguments.dream_python}; see above")
    for name, prompt_tokens, middle_tokens, total in json.loads(ending.stdout.splitlines()[-1]):
        steps = middle_tokens if name.startswith("DreamOn") else num_steps
        yield _row(f"{name}, {steps} steps", prompt_tokens, middle_tokens, total, steps)


def _median_ms(work: Callable[[], None], device: torch.device) -> float:
    """Median of a few runs, after one that pays for starting."""
    times = []
    with torch.inference_mode():
        work()
        for _ in range(NUM_RUNS):
            synchronize(device)
            start = time.perf_counter()
            work()
            synchronize(device)
            times.append((time.perf_counter() - start) * 1000)
    return median(times)


def _row(policy: str, prompt_tokens: int, middle_tokens: int, total_ms: float, num_steps: int) -> Row:
    return Row(
        policy=policy,
        prompt_tokens=prompt_tokens,
        middle_tokens=middle_tokens,
        ms_per_step=total_ms / num_steps,
        ms_per_fill=total_ms,
    )
