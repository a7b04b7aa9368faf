"""The training step of a case in JAX: one jitted function with donated state. One JSON line on stdout.

Usage: jax_step.py CASE_JSON [--steps N]          the model and the optimizer are those of torch_step.py
"""
import argparse
import json
import os
import resource
import statistics
import time

os.environ.setdefault("JAX_PLATFORMS", "cpu")
import jax
import jax.numpy as jnp


def rms_norm(x, weight):
    return weight * (x * jax.lax.rsqrt(jnp.mean(jnp.square(x), -1, keepdims=True) + 1e-5))


def rotated(x, cos, sin):
    first, second = jnp.split(x, 2, axis=-1)
    return x * cos + jnp.concatenate([-second, first], -1) * sin


def block(w, x, cos, sin, heads):
    batch, time_, size = x.shape
    y = rms_norm(x, w["input_norm"])
    q, k, v = ((y @ w[n].T).reshape(batch, time_, heads, -1).swapaxes(1, 2) for n in "qkv")
    q, k = rotated(q, cos, sin), rotated(k, cos, sin)
    scores = jnp.einsum("bhtd,bhsd->bhts", q, k) / q.shape[-1] ** 0.5
    scores = jnp.where(jnp.tril(jnp.ones((time_, time_), bool)), scores, -jnp.inf)
    mixed = jnp.einsum("bhts,bhsd->bhtd", jax.nn.softmax(scores), v)
    x = x + mixed.swapaxes(1, 2).reshape(batch, time_, size) @ w["o"].T
    y = rms_norm(x, w["post_norm"])
    return x + (jax.nn.silu(y @ w["gate"].T) * (y @ w["up"].T)) @ w["down"].T


def block_weights(case, key):
    size, wide = case["hiddenSize"], case["intermediateSize"]
    square, up, down = (size, size), (wide, size), (size, wide)
    shapes = dict(q=square, k=square, v=square, o=square, gate=up, up=up, down=down)
    keys = jax.random.split(key, len(shapes))
    weights = {name: 0.02 * jax.random.normal(k, shape) for k, (name, shape) in zip(keys, shapes.items())}
    return weights | dict(input_norm=jnp.ones(size), post_norm=jnp.ones(size))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", type=json.loads)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--warmup", type=int, default=3)
    options = parser.parse_args()
    case = options.case
    size, vocabulary, heads = case["hiddenSize"], case["vocabSize"], case["heads"]
    key = jax.random.PRNGKey(0)
    blocks = {str(i): block_weights(case, k) for i, k in enumerate(jax.random.split(key, case["blocks"]))}
    rest = dict(embed=0.02 * jax.random.normal(key, (vocabulary, size)), norm=jnp.ones(size))
    rest["head"] = 0.02 * jax.random.normal(jax.random.split(key)[0], (vocabulary, size))
    chosen = None if case["trained"] is None else {str(i) for i in case["trained"]}
    trained = {n: w for n, w in blocks.items() if chosen is None or n in chosen}
    frozen = {n: w for n, w in blocks.items() if n not in trained}
    trained, frozen = (trained | rest, frozen) if chosen is None else (trained, frozen | rest)
    width = size // heads
    angles = jnp.outer(jnp.arange(case["seqLen"]), 10000.0 ** -(jnp.arange(0, width, 2) / width))
    angles = jnp.concatenate([angles, angles], -1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)

    def loss_of(trained, frozen, ids, targets):
        w = trained | frozen
        x = w["embed"][ids]
        for i in range(case["blocks"]):
            x = block(w[str(i)], x, cos, sin, heads)
        log_probabilities = jax.nn.log_softmax(rms_norm(x, w["norm"]) @ w["head"].T)
        return -jnp.take_along_axis(log_probabilities, targets[..., None], -1).mean()

    def step(trained, m, v, n, frozen, ids, targets):
        loss, gradient = jax.value_and_grad(loss_of)(trained, frozen, ids, targets)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(gradient)))
        gradient = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / (norm + 1e-6)), gradient)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda v, g: 0.95 * v + 0.05 * g * g, v, gradient)
        c1, c2 = 1 - 0.9**n, 1 - 0.95**n
        new = jax.tree.map(
            lambda w, m, v: w - 1e-4 * (m / c1 / (jnp.sqrt(v / c2) + 1e-8) + 0.1 * w), trained, m, v
        )
        return new, m, v, loss

    step = jax.jit(step, donate_argnums=(0, 1, 2))
    m, v = jax.tree.map(jnp.zeros_like, trained), jax.tree.map(jnp.zeros_like, trained)
    seconds = []
    for i in range(options.warmup + options.steps):
        first, second, key = jax.random.split(key, 3)
        shape = (case["batch"], case["seqLen"])
        ids = jax.random.randint(first, shape, 0, vocabulary)
        targets = jax.random.randint(second, shape, 0, vocabulary)
        jax.block_until_ready((ids, targets))
        started = time.perf_counter()
        trained, m, v, loss = step(trained, m, v, float(i + 1), frozen, ids, targets)
        float(loss)
        if i >= options.warmup:
            seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {"version": jax.__version__, "medianSeconds": statistics.median(seconds), "peakRssBytes": peak}
    print(json.dumps(result))


main()
