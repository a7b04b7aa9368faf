"""{base, adapter: directories, ids: [id]} -> logits (T * V) of the base with the adapter by PEFT, and of PEFT's own merge."""

from exchange import answer, load, logits_of
from peft import PeftModel


def describe(request):
    base, _ = load(request["base"])
    adapted = PeftModel.from_pretrained(base, request["adapter"]).eval()
    logits = logits_of(adapted, request["ids"]).flatten().tolist()
    merged = logits_of(adapted.merge_and_unload(), request["ids"]).flatten().tolist()
    return {"logits": logits, "merged": merged}


answer(describe)
