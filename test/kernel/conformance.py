"""jupyter_kernel_test against the kernel: all of its tests, with samples for each.

Usage: python conformance.py <name of an installed kernel>
"""
import sys
import unittest

import jupyter_kernel_test

kernel = sys.argv.pop(1) if len(sys.argv) > 1 else "llama-pro"


class LlamaProKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = kernel
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('oops')"
    completion_samples = [
        {"text": "Array.isArr", "matches": {"isArray"}},
        {"text": "console.tabl", "matches": {"table"}},
        {"text": "display.mark", "matches": {"markdown"}},
    ]
    complete_code_samples = ["1", "const a: number = 2", "for (let i = 0; i < 3; i++) {\n  console.log(i)\n}"]
    incomplete_code_samples = ["function f(", "const o = {", "`an open template"]
    invalid_code_samples = ["const = 3", "class 3 {}", "1 +* 2"]
    code_page_something = "?console"
    code_generate_error = "throw new Error('expected')"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "[1, 2].map(n => n + 1)", "result": "[ 2, 3 ]"},
        {"code": "await Promise.resolve('done')", "result": "'done'"},
    ]
    code_display_data = [
        {"code": "display.html('<b>bold</b>')", "mime": "text/html"},
        {"code": "display({ 'image/svg+xml': '<svg/>' }, { raw: true })", "mime": "image/svg+xml"},
        {"code": "await Deno.jupyter.display({ 'text/markdown': '*x*' }, { raw: true })", "mime": "text/markdown"},
    ]
    code_history_pattern = "6 ?*7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "console.log"
    code_clear_output = "display.clear()"


class LlamaProIopubWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = kernel
    support_iopub_welcome = True


# the classes of the package itself would be collected too
del jupyter_kernel_test.KernelTests, jupyter_kernel_test.IopubWelcomeTests

if __name__ == "__main__":
    unittest.main(verbosity=2)
