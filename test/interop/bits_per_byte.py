"""
{model, files: [path], seqLen} -> {bitsPerByte, lossNats, tokens, bytes, documents}.

Every document (a whole .txt file, a line of .jsonl) is tokenised alone, put behind BOS, and cut into windows of seqLen inputs that do
not see each other; each token of its text is predicted once. Sums are in float64.
"""

import json
import math
import pathlib

import torch
from exchange import answer, load, logits_of
from transformers import AutoTokenizer


def documents(path):
    text = pathlib.Path(path).read_bytes().decode("utf-8")
    if not path.endswith(".jsonl"):
        return [text]
    return [json.loads(line)["text"] for line in text.split("\n") if line]


def respond(request):
    seq_len = request["seqLen"]
    model, _ = load(request["model"])
    tokenizer = AutoTokenizer.from_pretrained(request["model"])
    nats, tokens, size, count = 0.0, 0, 0, 0
    for text in (text for path in request["files"] for text in documents(path)):
        ids = tokenizer.encode(text, add_special_tokens=False)
        if not ids:
            continue
        row = [tokenizer.bos_token_id, *ids]
        for start in range(0, len(ids), seq_len):
            targets = torch.tensor(row[start + 1 : start + 1 + seq_len])
            logits = logits_of(model, row[start : start + len(targets)])
            nats += torch.nn.functional.cross_entropy(logits.double(), targets, reduction="sum").item()
        tokens += len(ids)
        size += len(text.encode("utf-8"))
        count += 1
    bits = nats / math.log(2) / size
    return {"bitsPerByte": bits, "lossNats": nats / tokens, "tokens": tokens, "bytes": size, "documents": count}


answer(respond)
