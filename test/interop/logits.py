"""{models: [directory], ids: [id]} -> for every model {family, layers, llamaPro, loading, logits: (T * V)}."""

from exchange import answer, load, logits_of


def describe(directory, ids):
    model, loading = load(directory)
    return {
        "family": type(model).__name__,
        "layers": model.config.num_hidden_layers,
        "llamaPro": getattr(model.config, "llama_pro", None),
        "loading": loading,
        "logits": logits_of(model, ids).flatten().tolist(),
    }


answer(lambda request: [describe(directory, request["ids"]) for directory in request["models"]])
