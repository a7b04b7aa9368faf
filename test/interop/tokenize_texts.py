"""{tokenizer: directory, texts} -> {bos, eos, texts: [{ids, withSpecial, decoded}]} by AutoTokenizer."""

from exchange import answer
from transformers import AutoTokenizer


def respond(request):
    tokenizer = AutoTokenizer.from_pretrained(request["tokenizer"])

    def encode(text):
        ids = tokenizer.encode(text, add_special_tokens=False)
        return {"ids": ids, "withSpecial": tokenizer.encode(text), "decoded": tokenizer.decode(ids)}

    texts = [encode(text) for text in request["texts"]]
    return {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "texts": texts}


answer(respond)
