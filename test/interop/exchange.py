"""What the comparison scripts share: one JSON request on standard input, one JSON answer on standard output."""

import json
import sys

import torch
import transformers

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()


def answer(respond):
    """Reads the request, writes what `respond` makes of it."""
    json.dump(respond(json.load(sys.stdin)), sys.stdout, allow_nan=False)


def load(directory):
    """A model directory in float32, and what transformers had to say about its tensors."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    return model.eval(), {key: sorted(map(str, value)) for key, value in info.items() if isinstance(value, (list, set))}


@torch.no_grad()
def logits_of(model, ids):
    """Logits (T, V) of one row of ids."""
    return model(input_ids=torch.tensor([ids])).logits[0]
