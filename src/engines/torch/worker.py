"""The lab's PyTorch process: keeps variables, compiles programs that arrive as data, runs them, answers.

usage: worker.py '{"device": "cpu", "threads": 2, "precision": "f32", "compile": "auto", "shared": ["/dev/shm/..."], "lifeline": 3}'

Frames on stdin and on what was stdout at the start: u32 length of a JSON header, the header, its blobs. A blob in the header is
{"bytes": n}, and follows the header, or {"bytes": n, "path": p}: a file that the receiver removes. All integers are little-endian.
Requests are handled in order; those with `call` are answered. Whatever anyone prints goes to stderr.
"""
import contextlib
import errno
import json
import os
import signal
import sys

options = json.loads(sys.argv[1])


def guard(lifeline, shared):
    """
    A small process that waits for the lab to end, however it ends, and then ends this one and every compiler that it has started:
    they are one process group. It depends on no thread of this process, which may hang.
    """
    if os.fork() != 0:
        os.close(lifeline)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for fd in (0, 1, 2):
        os.close(fd)
    while os.read(lifeline, 1):
        pass
    import shutil

    for directory in shared:
        shutil.rmtree(directory, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if options["lifeline"] is not None:
    guard(options["lifeline"], options["shared"])

# the answers get a descriptor of their own, so that no library can write between them
answers = os.fdopen(os.dup(1), "wb", 1 << 20)
os.dup2(2, 1)
requests = os.fdopen(0, "rb", 1 << 20)
SHARED_BYTES = 1 << 20
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def put(name, blob):
    """Writes a blob where the lab finds it, in the nearest directory that has room; its path."""
    for directory in options["shared"]:
        path = os.path.join(directory, name)
        try:
            with open(path, "wb") as file:
                file.write(blob)
            return path
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(path)
            if error.errno not in FULL:
                raise Fatal("ENGINE", f"torch: cannot write {path}: {error.strerror}")
    places = " or ".join(os.path.dirname(directory) for directory in options["shared"])
    # a run has taken effect by then, so it cannot be said to have failed alone
    raise Fatal("ENGINE", f"torch: no room for {blob.nbytes} bytes in {places}: free some, or name a larger place in TMPDIR")


def send(header, blobs=()):
    refs, inline = [], []
    for n, blob in enumerate(blobs):
        if blob.nbytes < SHARED_BYTES:
            refs.append({"bytes": blob.nbytes})
            inline.append(blob)
            continue
        refs.append({"bytes": blob.nbytes, "path": put(f"answer-{header['call']}-{n}", blob)})
    text = json.dumps({**header, "blobs": refs}).encode()
    answers.write(len(text).to_bytes(4, "little") + text)
    for blob in inline:
        answers.write(blob)
    answers.flush()


def quit_with(code, message):
    send({"kind": "fatal", "code": code, "message": message})
    os._exit(1)


try:
    import torch
except ImportError as error:
    quit_with("TORCH_MISSING", f"{sys.executable} cannot import torch: {error}")

import ctypes
import faulthandler
import linecache
import queue
import re
import sysconfig
import threading
import traceback

faulthandler.enable()
version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
if version < (2, 4):
    quit_with("TORCH_MISSING", f"{sys.executable} has torch {torch.__version__}; expected 2.4 or newer")

# nothing is left beside these sources; Python's own packages are not kept from being compiled once for all (uv installs them uncompiled, and
# every start would take twice as long)
writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
import kernels
import lowering

sys.dont_write_bytecode = writes


class WorkerError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def receive():
    """The next request and its blobs, each a bytearray; None when the lab is gone. Raises what makes a blob of it unreadable."""
    prefix = requests.read(4)
    if len(prefix) < 4:
        return None
    header = json.loads(requests.read(int.from_bytes(prefix, "little")))
    blobs = []
    for ref in header["blobs"]:
        blob = bytearray(ref["bytes"])
        if "path" in ref:
            with open(ref["path"], "rb") as file:
                done = file.readinto(blob)
            if done != len(blob):
                raise WorkerError("ENGINE", f"torch: {ref['path']} ended at byte {done}, expected {len(blob)}")
            os.unlink(ref["path"])
        elif requests.readinto(blob) != len(blob):
            return None
        blobs.append(blob)
    return header, blobs


def memory_of(tensor):
    """The bytes of a contiguous CPU tensor, as writable memory."""
    size = tensor.numel() * tensor.element_size()
    return memoryview((ctypes.c_char * size).from_address(tensor.data_ptr()) if size else bytearray()).cast("B")


def open_device(name):
    kind = name.split(":")[0]
    if kind == "cuda" and not torch.cuda.is_available():
        quit_with("DEVICE", f"this PyTorch ({torch.__version__}) sees no CUDA or ROCm device; torch:cpu works everywhere")
    if kind == "mps" and not torch.backends.mps.is_available():
        quit_with("DEVICE", f"this PyTorch ({torch.__version__}) sees no MPS device; torch:cpu works everywhere")
    device = torch.device(name)
    if kind == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        quit_with("DEVICE", f"there is no {name}: PyTorch sees {torch.cuda.device_count()} CUDA devices")
    return device


def missing_compiler(device):
    """What torch.compile lacks on this machine; None when nothing."""
    if device.type == "mps" and version < (2, 8):
        return "no Metal backend before PyTorch 2.8"
    try:
        import torch._inductor.cpp_builder as builder

        # PyTorch 2.4 has it under the other name
        (getattr(builder, "get_cpp_compiler", None) or builder._get_cpp_compiler)()
    except Exception as error:  # each release raises another class
        return f"no C++ compiler ({str(error).strip().splitlines()[0]}); install g++ or clang++"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "no Python.h; install the development files of Python (python3-dev)"
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            return "no Triton that works with this card"
    return None


def emulates_bf16(device):
    """Whether products in bf16 are computed without the hardware's help: on a CPU 70 times as slow as in f32 (AVX2, measured)."""
    if device.type == "cuda":
        # Ampere was the first; ROCm counts otherwise, and its cards have it
        return torch.version.hip is None and torch.cuda.get_device_capability(device)[0] < 8
    return device.type == "cpu" and torch.backends.mkldnn.is_available() and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


def resident_bytes():
    """Memory that this process holds; None where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    # the highest so far, in bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Variable:
    def __init__(self, spec, tensor):
        self.spec, self.tensor = spec, tensor


def source_name(program):
    return f"<program {program}>"


class Program:
    def __init__(self, spec, function, source, mutates):
        self.spec, self.function, self.source, self.mutates = spec, function, source, mutates


class Session:
    def __init__(self):
        self.device = open_device(options["device"])
        self.half = options["precision"] == "bf16"
        self.variables, self.programs = {}, {}
        # why a variable has no value: code and message, by number
        self.failed = {}
        torch.set_num_threads(options["threads"])
        if self.device.type == "cpu":
            # sums over rows that share an index would else depend on which thread comes first
            torch.use_deterministic_algorithms(True)
            torch.utils.deterministic.fill_uninitialized_memory = False
        wants = options["compile"] != "never"
        self.lacking = missing_compiler(self.device) if wants else None
        self.can_compile = wants and self.lacking is None
        with torch.no_grad():
            self.fused = kernels.fused_attention(self.device, torch.bfloat16 if self.half else torch.float32)

    def describe(self):
        kind = self.device.type
        adapter = torch.cuda.get_device_name(self.device) if kind == "cuda" else None
        return {
            "torch": torch.__version__,
            "python": sys.executable,
            "adapter": adapter,
            "compiles": self.can_compile,
            "lacking": self.lacking,
            "emulates": self.half and emulates_bf16(self.device),
            "fused": self.fused,
        }

    # -- variables

    def tensor(self, blob, spec):
        dtype = lowering.DTYPES[spec["dtype"]]
        shape = tuple(spec["shape"])
        return torch.frombuffer(blob, dtype=dtype).reshape(shape) if len(blob) else torch.empty(shape, dtype=dtype)

    def createVariable(self, request, blobs):
        spec, init = request["spec"], request["init"]
        dtype = lowering.DTYPES[spec["dtype"]]
        if init["kind"] == "zeros":
            tensor = torch.zeros(spec["shape"], dtype=dtype, device=self.device)
        elif init["kind"] == "host":
            tensor = self.tensor(blobs[0], spec).to(self.device)
        else:
            tensor = self.read_file(init).to(self.device).to(dtype).reshape(spec["shape"])
        self.variables[request["id"]] = Variable(spec, tensor)

    def read_file(self, init):
        dtype = lowering.DTYPES[init["dtype"]]
        tensor = torch.empty(init["byteLength"] // dtype.itemsize, dtype=dtype)
        with open(init["path"], "rb") as file:
            file.seek(init["byteOffset"])
            done = file.readinto(memory_of(tensor))
        if done != init["byteLength"]:
            at = init["byteOffset"]
            raise WorkerError("TRUNCATED", f"{init['path']}: ended at byte {at + done}, expected {init['byteLength']} bytes from {at}")
        return tensor

    def variable(self, number):
        if number in self.failed:
            raise WorkerError(*self.failed[number])
        if number not in self.variables:
            raise WorkerError("DISPOSED", f"torch: variable {number} has been disposed")
        return self.variables[number]

    def writeVariable(self, request, blobs):
        variable = self.variable(request["id"])
        variable.tensor = self.tensor(blobs[0], variable.spec).to(self.device)

    def disposeVariable(self, request, blobs):
        self.variables.pop(request["id"], None)
        self.failed.pop(request["id"], None)

    def readVariable(self, request, blobs):
        return None, self.bytes_of([self.variable(request["id"]).tensor])

    def bytes_of(self, tensors):
        self.kept = [tensor.detach().to("cpu").contiguous() for tensor in tensors]
        return [memory_of(tensor) for tensor in self.kept]

    # -- programs

    def load(self, request, blobs):
        spec = request["spec"]
        is_compiled = request["compile"] and self.can_compile
        emitter = lowering.Emitter(spec, self.half, is_compiled, self.fused)
        source = emitter.source()
        name = source_name(request["id"])
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        scope = {"torch": torch, "F": torch.nn.functional, "kernels": kernels, "DEVICE": self.device}
        exec(compile(source, name, "exec"), scope)
        function = scope["program"]
        if is_compiled:
            function = torch.compile(function, fullgraph=True, dynamic=False)
        self.programs[request["id"]] = Program(spec, function, source, bool(emitter.changed))

    def unload(self, request, blobs):
        self.programs.pop(request["id"], None)
        linecache.cache.pop(source_name(request["id"]), None)

    def run(self, request, blobs):
        program = self.programs[request["id"]]
        values, spec = program.spec["values"], program.spec
        variables = [self.variable(number) for number in request["variables"]]
        inputs = [self.tensor(blob, values[given["value"]]).to(self.device) for blob, given in zip(blobs, spec["inputs"])]
        state = [variable.tensor for variable in variables]
        try:
            outputs, updates = program.function(inputs, state)
            found = self.bytes_of(outputs)
        except Exception as error:
            # a compiler that fails has not run anything yet
            if not program.mutates or is_of_compiler(error):
                raise
            code, message = failure(error)
            raise Fatal(code, f"{message} (the update may have been half done: load the model again)")
        taken = {tensor.untyped_storage().data_ptr() for tensor in [*inputs, *state]}
        for slot, tensor in updates:
            variables[slot].tensor = own(tensor, taken)
        return None, found

    def source(self, request, blobs):
        return self.programs[request["id"]].source, ()

    def memory(self, request, blobs):
        tensors = [variable.tensor for variable in self.variables.values()]
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        counts = {"variableBytes": size, "variables": len(tensors), "programs": len(self.programs)}
        return {**counts, "elsewhere": self.own_memory(size)}, ()

    def own_memory(self, variable_bytes):
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            held = torch.cuda.memory_allocated(self.device)
            # what the allocator keeps for later is as good as free
            free += torch.cuda.memory_reserved(self.device) - held
            return {"name": torch.cuda.get_device_name(self.device), "residentBytes": held, "freeBytes": free}
        if self.device.type == "mps":
            held = torch.mps.driver_allocated_memory()
            limit = getattr(torch.mps, "recommended_max_memory", None)
            # PyTorch 2.4 does not tell it: then what the machine has free is what there is
            free = {} if limit is None else {"freeBytes": max(0, limit() - held)}
            return {"name": "Metal", "residentBytes": held, **free}
        return {"name": "PyTorch's", "residentBytes": resident_bytes() or variable_bytes}

    def dispose(self, request, blobs):
        self.variables.clear()
        self.programs.clear()
        return None, ()


class Fatal(WorkerError):
    pass


def own(tensor, taken):
    """The tensor with memory that is its own and no larger than it needs; `taken` is the memory of others."""
    storage = tensor.untyped_storage()
    is_own = tensor.is_contiguous() and storage.nbytes() == tensor.numel() * tensor.element_size()
    result = tensor if is_own and storage.data_ptr() not in taken else tensor.clone(memory_format=torch.contiguous_format)
    taken.add(result.untyped_storage().data_ptr())
    return result


def is_of_compiler(error):
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))


# after these a CUDA device answers nothing any more
LOST = re.compile(r"device-side assert|illegal memory access|unspecified launch failure", re.IGNORECASE)
OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory|not enough memory", re.IGNORECASE)


def failure(error):
    """Code and message for the lab."""
    if isinstance(error, WorkerError):
        return error.code, str(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(text):
        held = sum(v.tensor.numel() * v.tensor.element_size() for v in session.variables.values())
        return "OUT_OF_MEMORY", f"torch: {text.splitlines()[0]} (variables hold {held} bytes)"
    lines = [line for line in text.splitlines() if line.strip()]
    message = f"torch: {type(error).__name__}: {' '.join(lines[:3])}"
    if is_of_compiler(error):
        message += " -- torch.compile failed; --torch-eager does without it"
    return "ENGINE", message


def read_requests(waiting):
    while True:
        try:
            request = receive()
        except Exception as error:
            # what comes next can no longer be told apart
            waiting.put(error)
            return
        waiting.put(request)
        if request is None:
            # whatever the main thread is at: nobody waits for it any more
            os._exit(0)


def answer(header, blobs):
    call = header.get("call")
    try:
        result = getattr(session, header["kind"])(header, blobs)
        if call is not None:
            value, found = result or (None, ())
            send({"kind": "answer", "call": call, "value": value}, found)
            session.kept = None
    except Exception as error:
        code, message = failure(error)
        if isinstance(error, Fatal) or LOST.search(message):
            quit_with(code, message)
        if call is None:
            # nobody waits for an answer: who uses the variable is told
            session.failed[header["id"]] = (code, message)
        else:
            send({"kind": "failure", "call": call, "code": code, "message": message})


def main():
    waiting = queue.SimpleQueue()
    threading.Thread(target=read_requests, args=(waiting,), daemon=True).start()
    with torch.no_grad():
        while True:
            request = waiting.get()
            if request is None:
                return
            if isinstance(request, Exception):
                quit_with(*failure(request))
            answer(*request)
            if request[0]["kind"] == "dispose":
                os._exit(0)


session = Session()
send({"kind": "ready", **session.describe()})
main()
