"""From a program, plain data, to the source of one Python function `program(inputs, variables) -> (outputs, updates)`.

Names in the source: t<i> is value i, f<i> and h<i> the same in f32 and bf16. With bf16 precision a value that the program calls f32
may be held in bf16 ("half"): the products of matrices and what is moved or cast from bf16, until something needs it in f32.
"""
import torch

import kernels

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i32": torch.int32, "bool": torch.bool, "u8": torch.uint8}

UNARY = {
    "neg": "torch.neg", "exp": "torch.exp", "log": "torch.log", "sqrt": "torch.sqrt", "reciprocal": "torch.reciprocal",
    "sin": "torch.sin", "cos": "torch.cos", "tanh": "torch.tanh", "sigmoid": "torch.sigmoid", "abs": "torch.abs",
    "not": "torch.logical_not", "silu": "F.silu",
}
BINARY = {
    "add": "torch.add", "sub": "torch.sub", "mul": "torch.mul", "div": "torch.div", "pow": "torch.pow",
    "equal": "torch.eq", "less": "torch.lt", "lessOrEqual": "torch.le", "greater": "torch.gt", "greaterOrEqual": "torch.ge",
}
# both operands have to be tensors
BINARY_TENSORS = {"maximum": "torch.maximum", "minimum": "torch.minimum", "and": "torch.logical_and", "or": "torch.logical_or"}

# the result may be the memory of the first operand
VIEWS = {"reshape", "permute", "expand", "slice", "barrier", "cast"}


class Emitter:
    def __init__(self, spec, half, is_compiled, fused):
        """`fused`: the device's kernels of attention, see `kernels.fused_attention`."""
        self.spec, self.half, self.is_compiled, self.fused = spec, half, is_compiled, fused
        self.values = spec["values"]
        self.producer = {value: node for node in spec["nodes"] for value in node["outputs"]}
        self.lines = []
        self.numbers = {}
        self.halves = set()
        self.names = {}
        self.masks = {}
        self.known = {}
        self.variables = {value: slot for slot, value in enumerate(spec["variables"])}
        self.changed = self.changed_in_place()
        self.last_use = self.last_uses()

    # -- what the program returns and changes

    def root(self, value):
        node = self.producer.get(value)
        while node is not None and node["op"] in VIEWS:
            value = node["inputs"][0]
            node = self.producer.get(value)
        return value

    def changed_in_place(self):
        """Slots whose variable is overwritten by the function itself, after all else has been computed."""
        updates = self.spec["updates"]
        returned = [*self.spec["outputs"], *(update["value"] for update in updates)]
        seen = {self.root(value) for value in returned}
        free = {u["slot"]: u["value"] for u in updates if self.spec["variables"][u["slot"]] not in seen}
        fresh = {slot: value for slot, value in free.items() if returned.count(value) == 1 and self.root(value) not in self.variables}
        candidates = [
            node for node in self.spec["nodes"]
            if node["op"] == "adamw" and self.is_private(node["outputs"])
            and all(fresh.get(self.variables.get(old)) == new for old, new in zip(node["inputs"], node["outputs"]))
        ]
        # one that reads what another overwrites has to come before it
        overwritten = {old for node in candidates for old in node["inputs"][:3]}
        self.optimizers = [node for node in candidates if overwritten.isdisjoint(self.root(value) for value in node["inputs"][3:])]
        by_optimizer = {self.variables[old] for node in self.optimizers for old in node["inputs"][:3]}
        # eagerly a copy costs more than giving the variable another memory
        return set(fresh) if self.is_compiled else by_optimizer

    def is_private(self, values):
        return not any(value in values for node in self.spec["nodes"] for value in node["inputs"])

    def last_uses(self):
        last = {}
        for at, node in enumerate(self.spec["nodes"]):
            for value in node["inputs"]:
                last[value] = at
        end = len(self.spec["nodes"])
        kept = [*self.spec["outputs"], *(update["value"] for update in self.spec["updates"])]
        kept += [value for node in self.optimizers for value in node["inputs"]]
        last.update((value, end) for value in kept)
        return last

    # -- operands

    def line(self, text):
        self.lines.append("    " + text)

    def dtype(self, value):
        return self.values[value]["dtype"]

    def shape(self, value):
        return tuple(self.values[value]["shape"])

    def named(self, prefix, value, expression):
        name = self.names.get((prefix, value))
        if name is None:
            name = self.names[prefix, value] = f"{prefix}{value}"
            self.line(f"{name} = {expression()}")
        return name

    def raw(self, value):
        """The value as it is held."""
        return self.named("t", value, lambda: f"torch.full((), {self.numbers[value]}, dtype={self.typed(value)}, device=DEVICE)")

    def full(self, value):
        """The value in its own type."""
        return self.named("f", value, lambda: f"t{value}.float()") if value in self.halves else self.raw(value)

    def low(self, value):
        """An operand of a product: in bf16 where that is the precision."""
        if not self.half or value in self.halves or self.dtype(value) == "bf16":
            return self.raw(value)
        return self.named("h", value, lambda: f"{self.raw(value)}.to(torch.bfloat16)")

    def number(self, value):
        return self.numbers[value] if value in self.numbers else self.full(value)

    def typed(self, value):
        return str(DTYPES[self.dtype(value)])

    def define(self, value, expression, half=False):
        self.named("t", value, lambda: expression)
        if half:
            self.halves.add(value)

    # -- the function

    def source(self):
        for i, given in enumerate(self.spec["inputs"]):
            self.named("t", given["value"], lambda i=i: f"inputs[{i}]")
        for slot, value in enumerate(self.spec["variables"]):
            self.named("t", value, lambda slot=slot: f"variables[{slot}]")
        for at, node in enumerate(self.spec["nodes"]):
            if node not in self.optimizers:
                self.emit(node)
            self.release(at, {*node["inputs"], *node["outputs"]})
        updates = {u["slot"]: u["value"] for u in self.spec["updates"]}
        in_place = {value for node in self.optimizers for value in node["outputs"]}
        outputs = [self.full(value) for value in self.spec["outputs"]]
        results = {slot: self.full(value) for slot, value in updates.items() if value not in in_place}
        for node in self.optimizers:
            self.line(f"kernels.adamw_({self.adamw_operands(node)})")
        for slot, name in results.items():
            if slot in self.changed:
                self.line(f"variables[{slot}].copy_({name})")
        rebound = [f"({slot}, {name})" for slot, name in results.items() if slot not in self.changed]
        self.line(f"return [{', '.join(outputs)}], [{', '.join(rebound)}]")
        return "def program(inputs, variables):\n" + "\n".join(self.lines) + "\n"

    def release(self, at, values):
        """Forgets what no later line reads, so that memory is free as soon as it can be."""
        dead = [value for value in sorted(values) if self.last_use.get(value, at) <= at]
        names = [self.names.pop((prefix, value)) for value in dead for prefix in "tfh" if (prefix, value) in self.names]
        if names:
            self.line(f"del {', '.join(names)}")

    def emit(self, node):
        op, inputs, attrs, out = node["op"], node["inputs"], node["attrs"], node["outputs"][0]
        if op in UNARY:
            self.define(out, f"{UNARY[op]}({self.full(inputs[0])})")
        elif op in BINARY:
            self.define(out, f"{BINARY[op]}({self.operands(inputs)})")
        elif op in BINARY_TENSORS:
            self.define(out, f"{BINARY_TENSORS[op]}({self.full(inputs[0])}, {self.full(inputs[1])})")
        else:
            emit = getattr(self, f"emit_{op}", None)
            if emit is None:
                raise ValueError(f"the torch engine has no op {op}")
            emit(node, inputs, attrs, out)

    def operands(self, inputs):
        a, b = inputs
        # a number needs a tensor beside it, and an operand on the left has to be one
        left = self.full(a) if a in self.numbers else self.number(a)
        return f"{left}, {self.number(b)}"

    def emit_scalar(self, node, inputs, attrs, out):
        value = float(attrs["value"])
        if self.dtype(out) in ("i32", "bool"):
            self.numbers[out] = repr(int(value))
        else:
            self.numbers[out] = f'float("{value}")' if value != value or abs(value) == float("inf") else repr(value)

    def emit_iota(self, node, inputs, attrs, out):
        self.define(out, f"torch.arange({int(attrs['length'])}, dtype=torch.int32, device=DEVICE)")

    def emit_where(self, node, inputs, attrs, out):
        self.define(out, f"torch.where({', '.join(self.full(value) for value in inputs)})")

    def emit_cast(self, node, inputs, attrs, out):
        source = inputs[0]
        if self.half and self.dtype(source) == "bf16" and self.dtype(out) == "f32":
            self.define(out, self.raw(source), half=True)
        else:
            text = f"{self.full(source)}.to({self.typed(out)})"
            # the compiler widens 16-bit values within a kernel, and so drops a rounding that nothing keeps in memory
            rounds = self.is_compiled and self.dtype(out) in ("f16", "bf16")
            self.define(out, f"kernels.barrier({text}, {self.full(source)})" if rounds else text)

    def moved(self, inputs, out, text):
        self.define(out, f"{self.raw(inputs[0])}{text}", half=inputs[0] in self.halves)

    def emit_reshape(self, node, inputs, attrs, out):
        self.moved(inputs, out, f".reshape({self.shape(out)})")

    def emit_permute(self, node, inputs, attrs, out):
        self.moved(inputs, out, f".permute({tuple(int(axis) for axis in attrs['axes'])})")

    def emit_expand(self, node, inputs, attrs, out):
        if inputs[0] in self.numbers:
            self.define(out, f"torch.full({self.shape(out)}, {self.numbers[inputs[0]]}, dtype={self.typed(out)}, device=DEVICE)")
        else:
            self.moved(inputs, out, f".expand({self.shape(out)})")

    def emit_slice(self, node, inputs, attrs, out):
        start = int(attrs["start"])
        self.moved(inputs, out, f".narrow({int(attrs['axis'])}, {start}, {int(attrs['end']) - start})")

    def emit_pad(self, node, inputs, attrs, out):
        after = len(self.shape(out)) - 1 - int(attrs["axis"])
        pads = [0, 0] * after + [int(attrs["before"]), int(attrs["after"])]
        self.define(out, f"F.pad({self.raw(inputs[0])}, {pads})", half=inputs[0] in self.halves)

    def emit_concat(self, node, inputs, attrs, out):
        half = all(value in self.halves for value in inputs)
        parts = ", ".join((self.raw if half else self.full)(value) for value in inputs)
        self.define(out, f"torch.cat([{parts}], {int(attrs['axis'])})", half=half)

    def emit_barrier(self, node, inputs, attrs, out):
        x, after = inputs
        # line by line nothing moves and nothing is merged
        text = f"kernels.barrier({self.raw(x)}, {self.raw(after)})" if self.is_compiled else self.raw(x)
        self.define(out, text, half=x in self.halves)

    def axes(self, attrs):
        return [int(axis) for axis in attrs["axes"]]

    def emit_sum(self, node, inputs, attrs, out):
        self.define(out, f"torch.sum({self.full(inputs[0])}, {self.axes(attrs)}, keepdim=True, dtype={self.typed(out)})")

    def emit_max(self, node, inputs, attrs, out):
        self.define(out, f"torch.amax({self.full(inputs[0])}, {self.axes(attrs)}, keepdim=True)")

    def emit_argmax(self, node, inputs, attrs, out):
        self.define(out, f"torch.argmax({self.full(inputs[0])}, -1).to(torch.int32)")

    def emit_matmul(self, node, inputs, attrs, out):
        a, b = (self.low(value) + (".mT" if attrs[flag] else "") for value, flag in zip(inputs, ("transA", "transB")))
        alpha = float(attrs["alpha"])
        self.define(out, f"torch.matmul({a}, {b})" + ("" if alpha == 1 else f" * {alpha!r}"), half=self.half)

    def ids(self, value, size):
        """Ids that choose among `size` rows. Compiled, negative ones would count from the end: they become ids beyond it, which are refused."""
        name = self.full(value)
        return f"torch.where({name} < 0, {size}, {name})" if self.is_compiled else name

    def emit_gather(self, node, inputs, attrs, out):
        table, ids = inputs
        rows = self.ids(ids, self.shape(table)[0])
        text = f"torch.index_select({self.raw(table)}, 0, {rows}.reshape(-1)).reshape({self.shape(out)})"
        self.define(out, text, half=table in self.halves)

    def emit_scatterAdd(self, node, inputs, attrs, out):
        ids, rows = inputs
        zeros = f"torch.zeros({self.shape(out)}, dtype=torch.float32, device=DEVICE)"
        self.define(out, f"{zeros}.index_add(0, {self.ids(ids, self.shape(out)[0])}, {self.full(rows)})")

    def emit_gatherLast(self, node, inputs, attrs, out):
        x, ids = inputs
        self.define(out, f"{self.full(x)}.gather(-1, {self.ids(ids, self.shape(x)[-1])}.long().unsqueeze(-1)).squeeze(-1)")

    def emit_update(self, node, inputs, attrs, out):
        base, rows, axis = self.full(inputs[0]), self.full(inputs[1]), int(attrs["axis"])
        positions = self.ids(inputs[2], self.shape(out)[axis])
        self.define(out, f"kernels.index_copy({base}, {axis}, {positions}, {rows})")

    def emit_softmax(self, node, inputs, attrs, out):
        self.define(out, f"torch.softmax({self.full(inputs[0])}, -1)")

    def emit_rmsNorm(self, node, inputs, attrs, out):
        x, weight = (self.full(value) for value in inputs)
        inverse = node["outputs"][1]
        self.define(inverse, f"torch.rsqrt(torch.mean({x} * {x}, -1, keepdim=True) + {float(attrs['eps'])!r})")
        self.define(out, f"{x} * {self.raw(inverse)} * {weight}")

    def emit_rotary(self, node, inputs, attrs, out):
        x, cos, sin = (self.full(value) for value in inputs)
        half = self.shape(out)[-1] // 2
        a, b = f"{x}[..., :{half}]", f"{x}[..., {half}:]"
        self.define(out, f"torch.cat([{a} * {cos} - {b} * {sin}, {b} * {cos} + {a} * {sin}], -1)")

    # -- attention: the forward kernel's statistics are kept for its gradient, found by the output that both know

    def attention_setting(self, inputs, attrs, start):
        (_, _, time, dim), width = self.shape(inputs[0]), self.shape(inputs[1])[2]
        window = None if attrs["window"] is None else int(attrs["window"])
        dtype = torch.bfloat16 if self.half else torch.float32
        is_masked = start != "0" or time != width or window is not None
        kernel = kernels.attention_kernel(self.fused, dim, is_masked)
        key = (time, width, start, window)
        if is_masked and key not in self.masks:
            self.masks[key] = f"mask{len(self.masks)}"
            self.line(f"{self.masks[key]} = kernels.visible({time}, {width}, {start}, {window}, {dtype}, DEVICE)")
        return repr(kernel), self.masks.get(key), repr(float(attrs["scale"]))

    def emit_attention(self, node, inputs, attrs, out):
        start = self.full(inputs[3]) if len(inputs) > 3 else str(int(attrs["start"]))
        q, k, v = (self.low(value) for value in inputs[:3])
        kernel, mask, scale = self.attention_setting(inputs, attrs, start)
        known = f"known{out}"
        self.names["t", out] = f"t{out}"
        self.line(f"t{out}, {known} = kernels.attention({kernel}, {q}, {k}, {v}, {mask}, {scale})")
        self.known[out] = (tuple(inputs[:3]), known)
        if self.half:
            self.halves.add(out)

    def emit_attentionGrad(self, node, inputs, attrs, out):
        q, k, v, o, grad = (self.low(value) for value in inputs)
        kernel, mask, scale = self.attention_setting(inputs, attrs, str(int(attrs["start"])))
        operands, known = self.known.get(inputs[3], (None, None))
        if operands != tuple(inputs[:3]):
            known = f"kernels.attention({kernel}, {q}, {k}, {v}, {mask}, {scale})[1]"
        names = [f"t{value}" for value in node["outputs"]]
        self.line(f"{', '.join(names)} = kernels.attention_grad({kernel}, {q}, {k}, {v}, {o}, {grad}, {known}, {mask}, {scale})")
        for value, name in zip(node["outputs"], names):
            self.names["t", value] = name
            if self.half:
                self.halves.add(value)

    # -- the classifier and the optimizer

    def emit_linearCrossEntropy(self, node, inputs, attrs, out):
        x, weight, targets = self.low(inputs[0]), self.low(inputs[1]), self.full(inputs[2])
        self.define(out, f"kernels.cross_entropy({x}, {weight}, {targets})")

    def emit_linearCrossEntropyWithGrad(self, node, inputs, attrs, out):
        x, weight = self.low(inputs[0]), self.low(inputs[1])
        targets, grad = self.full(inputs[2]), self.full(inputs[3])
        names = [f"t{value}" for value in node["outputs"]]
        needs = bool(attrs["needsWeight"])
        self.line(f"{', '.join(names)} = kernels.cross_entropy_with_grad({x}, {weight}, {targets}, {grad}, {needs})")
        for value, name in zip(node["outputs"], names):
            self.names["t", value] = name
        if self.half:
            self.halves.add(node["outputs"][1])

    def adamw_operands(self, node):
        attrs = (repr(float(node["attrs"][name])) for name in ("beta1", "beta2", "eps", "weightDecay"))
        return ", ".join([*(self.full(value) for value in node["inputs"]), *attrs])

    def emit_adamw(self, node, inputs, attrs, out):
        names = [f"t{value}" for value in node["outputs"]]
        self.line(f"{', '.join(names)} = kernels.adamw({self.adamw_operands(node)})")
        self.names.update((("t", value), name) for value, name in zip(node["outputs"], names))
