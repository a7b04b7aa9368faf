"""What generated programs call besides torch itself: attention, copies of rows, the classifier's cross-entropy, AdamW, barriers.

Shapes: B batch, H query heads, K key/value heads, T queries, S keys, D head dim, N rows, C hidden, V vocabulary.
"""
import torch
import torch.nn.functional as F

aten = torch.ops.aten

_library = torch.library.Library("llama_pro", "DEF")
_library.define("barrier(Tensor x, Tensor after) -> Tensor")
# a copy: the dispatcher does not allow a result that is its operand
_library.impl("barrier", lambda x, after: x.clone(), "CompositeExplicitAutograd")
# opaque to the compiler, which therefore neither moves what is computed from it nor merges it with the first computation
barrier = torch.ops.llama_pro.barrier


def fused_attention(device, dtype):
    """Which fused kernels do attention in both directions on this device: tried, as what a card has depends on its age and on the build."""
    if device.type == "cpu":
        return ["cpu"]
    if device.type != "cuda":
        return []
    wanted = ["efficient"] if dtype == torch.float32 else ["flash", "efficient"]
    return [kernel for kernel in wanted if _works(kernel, device, dtype)]


def _works(kernel, device, dtype):
    x = torch.ones((1, 1, 16, 16), dtype=dtype, device=device)
    try:
        out, known = attention(kernel, x, x, x, None, 1.0)
        attention_grad(kernel, x, x, x, out, x, known, None, 1.0)
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError:
        return False
    return True


def attention_kernel(fused, head_dim, is_masked):
    """The first of the device's fused kernels that can do this attention in both directions; `math` where there is none."""
    fits = not is_masked and head_dim % 8 == 0
    takes = {"cpu": True, "flash": fits and head_dim <= 256, "efficient": fits}
    return next((kernel for kernel in fused if takes[kernel]), "math")


def visible(time, width, start, window, dtype, device):
    """What is added to scores: 0 where query i, at position start + i, sees key j; -inf elsewhere. [T, S]"""
    position = torch.arange(time, device=device)[:, None] + start
    key = torch.arange(width, device=device)[None, :]
    seen = key <= position
    if window is not None:
        seen = seen & (key > position - window)
    return torch.zeros((time, width), dtype=dtype, device=device).masked_fill(~seen, float("-inf"))


def _shared(x, heads):
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], 1)


def _rows(*tensors):
    """With elements of the last axis side by side, as the fused kernels take for granted."""
    return [x if x.stride(-1) == 1 else x.contiguous() for x in tensors]


def _own(x, key_heads):
    batch, heads, width, dim = x.shape
    return x if heads == key_heads else x.reshape(batch, key_heads, heads // key_heads, width, dim).sum(2)


def attention(kernel, q, k, v, mask, scale):
    """The output [B, H, T, D], and what the kernel's gradient wants to know. `mask` None: causal with T = S."""
    q, k, v = _rows(q, k, v)
    k, v = _shared(k, q.shape[1]), _shared(v, q.shape[1])
    causal = mask is None
    if kernel == "cpu":
        out, sums = aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, attn_mask=mask, scale=scale)
        return out, (sums,)
    if kernel == "flash":
        found = aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, False, scale=scale)
        return found[0], tuple(found[1:8])
    if kernel == "efficient":
        found = aten._scaled_dot_product_efficient_attention(q, k, v, None, True, 0.0, causal, scale=scale)
        return found[0], tuple(found[1:4])
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scale), ()


def attention_grad(kernel, q, k, v, out, grad, known, mask, scale):
    """Gradients of q, k and v; `known` is what `attention` of the same operands has returned beside its output."""
    key_heads = k.shape[1]
    q, k, v, out, grad = _rows(q, k, v, out, grad)
    k, v = _shared(k, q.shape[1]), _shared(v, q.shape[1])
    causal = mask is None
    if kernel == "cpu":
        dq, dk, dv = aten._scaled_dot_product_flash_attention_for_cpu_backward(
            grad, q, k, v, out, known[0], 0.0, causal, attn_mask=mask, scale=scale
        )
    elif kernel == "flash":
        sums, starts_q, starts_k, max_q, max_k, seed, offset = known
        dq, dk, dv = aten._scaled_dot_product_flash_attention_backward(
            grad, q, k, v, out, sums, starts_q, starts_k, max_q, max_k, 0.0, causal, seed, offset, scale=scale
        )
    elif kernel == "efficient":
        dq, dk, dv, _ = aten._scaled_dot_product_efficient_attention_backward(
            grad, q, k, v, None, out, known[0], known[1], known[2], 0.0, [True, True, True, False], causal, scale=scale
        )
    else:
        dq, dk, dv = _attention_grad_math(q, k, v, out, grad, mask, scale)
    return dq, _own(dk, key_heads), _own(dv, key_heads)


def _attention_grad_math(q, k, v, out, grad, mask, scale):
    """dS = P (dP - sum(dO O)), dQ = scale dS K, dK = scale dS^T Q, dV = P^T dO."""
    if mask is None:
        mask = visible(q.shape[2], k.shape[2], 0, None, torch.float32, q.device)
    p = torch.softmax((q @ k.mT).float() * scale + mask, -1)
    delta = (grad.float() * out.float()).sum(-1, keepdim=True)
    ds = (p * ((grad @ v.mT).float() - delta)).to(q.dtype)
    return ds @ k * scale, ds.mT @ q * scale, p.to(q.dtype).mT @ grad


def index_copy(base, axis, positions, rows):
    """`base` with the slices at `positions` along `axis` replaced."""
    if base.device.type != "mps":
        return base.index_copy(axis, positions.long(), rows)
    # which older releases have for Metal in this form only
    result = base.clone()
    result[(slice(None),) * axis + (positions.long(),)] = rows
    return result


def _row_chunks(x, weight):
    """Rows whose logits are held at a time: 64 MB of them on a CPU, half a GB elsewhere."""
    limit = 64e6 if x.device.type == "cpu" else 512e6
    size = max(1, int(limit // (4 * weight.shape[0])))
    return [(at, min(at + size, x.shape[0])) for at in range(0, x.shape[0], size)]


def _picked(logits, targets):
    # compiled, a negative id would count from the end; one beyond it is refused
    ids = torch.where(targets < 0, logits.shape[1], targets)
    return logits.gather(1, ids.long()[:, None])[:, 0]


def cross_entropy(x, weight, targets):
    """Nats per row [N]: logSumExp(logits) - logits[target] with logits = x weight^T, rows in chunks."""
    losses = []
    for low, high in _row_chunks(x, weight):
        logits = (x[low:high] @ weight.t()).float()
        losses.append(torch.logsumexp(logits, -1) - _picked(logits, targets[low:high]))
    return torch.cat(losses)


def cross_entropy_with_grad(x, weight, targets, grad, needs_weight):
    """The losses and the gradients of x and weight (None unless needed), all from one computation of each chunk's logits."""
    losses, rows, total = [], [], None
    columns = torch.arange(weight.shape[0], device=x.device)[None, :]
    for low, high in _row_chunks(x, weight):
        logits = (x[low:high] @ weight.t()).float()
        sums = torch.logsumexp(logits, -1)
        losses.append(sums - _picked(logits, targets[low:high]))
        p = torch.exp(logits - sums[:, None])
        p = torch.where(columns == targets[low:high, None], p - 1.0, p)
        d = (p * grad[low:high, None]).to(x.dtype)
        rows.append(d @ weight)
        if needs_weight:
            part = (d.t() @ x[low:high]).float()
            total = part if total is None else total + part
    return torch.cat(losses), torch.cat(rows), total


def adamw(p, m, v, g, lr, correction1, correction2, beta1, beta2, eps, decay):
    """New parameter and moments."""
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    return p * (1 - lr * decay) - (m / (v.sqrt() / correction2.sqrt() + eps)) * (lr / correction1), m, v


def adamw_(p, m, v, g, lr, correction1, correction2, beta1, beta2, eps, decay):
    """The same in the memory of the old ones."""
    m.mul_(beta1).add_(g, alpha=1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    step = m / (v.sqrt().div_(correction2.sqrt()).add_(eps))
    p.mul_(1 - lr * decay).sub_(step.mul_(lr / correction1))
