"""{model, prompts: [[id]], maxNewTokens} -> greedy continuations of exactly that length, with the key-value cache."""

import torch
from exchange import answer, load


def respond(request):
    model, _ = load(request["model"])
    model.generation_config.eos_token_id = None

    def continue_(prompt):
        ids = torch.tensor([prompt])
        options = {"do_sample": False, "use_cache": True, "max_new_tokens": request["maxNewTokens"]}
        out = model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        return out[0, len(prompt) :].tolist()

    return [continue_(prompt) for prompt in request["prompts"]]


answer(respond)
