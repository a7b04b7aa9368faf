"""{engine, specs, devices: [{device, half, fused}]} -> [{faults: [text], kernels: [name]}]: programs of the torch engine, run line by
line on tensors that have a device, a shape and a type, and no memory. PyTorch's own shape functions refuse operands on different
devices and shapes that do not fit, for a card that is not there. `faults`: what was refused, or came out other than the program
says; `kernels`: those of attention that were chosen."""

import re
import sys

import torch
from exchange import answer
from torch._subclasses.fake_tensor import FakeTensorMode


def faults_of(spec, source, device, dtypes, kernels):
    """What is wrong with a program's results on a device."""

    def empty(value):
        return torch.empty(spec["values"][value]["shape"], dtype=dtypes[spec["values"][value]["dtype"]], device=device)

    scope = {"torch": torch, "F": torch.nn.functional, "kernels": kernels, "DEVICE": device}
    try:
        exec(compile(source, "<program>", "exec"), scope)
        inputs = [empty(given["value"]) for given in spec["inputs"]]
        outputs, updates = scope["program"](inputs, [empty(value) for value in spec["variables"]])
    except Exception as error:
        return [f"{type(error).__name__}: {str(error)[:400]}"]
    written = {update["slot"]: update["value"] for update in spec["updates"]}
    found = [*zip(spec["outputs"], outputs), *((written[slot], tensor) for slot, tensor in updates)]
    pairs = [(value, tensor, empty(value)) for value, tensor in found]
    return [
        f"value {value}: expected {wanted}, got {tensor}"
        for value, tensor, wanted in pairs
        if (tensor.shape, tensor.dtype, tensor.device) != (wanted.shape, wanted.dtype, wanted.device)
    ]


@torch.no_grad()
def respond(request):
    sys.path.insert(0, request["engine"])
    # nothing is left beside the engine's sources
    sys.dont_write_bytecode = True
    import kernels
    import lowering

    def check(device, half, fused):
        sources = [lowering.Emitter(spec, half, False, fused).source() for spec in request["specs"]]
        chosen = {name for source in sources for name in re.findall(r"kernels\.attention(?:_grad)?\('(\w+)'", source)}
        with FakeTensorMode():
            found = [
                f"program {number}: {fault}"
                for number, (spec, source) in enumerate(zip(request["specs"], sources))
                for fault in faults_of(spec, source, torch.device(device), lowering.DTYPES, kernels)
            ]
        return {"faults": found, "kernels": sorted(chosen)}

    return [check(**device) for device in request["devices"]]


answer(respond)
