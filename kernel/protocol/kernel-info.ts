import { protocolVersion } from './header.js'
import type { Json } from './wire.js'

export interface KernelInfoOptions {
  /** Version of the kernel. */
  version: string
  /** Version of TypeScript that cells are written in. */
  typescriptVersion: string
}

/** Content of kernel_info_reply. The names of the language are those that front ends know it by (editor, highlighter, export). */
export function kernelInfo({ version, typescriptVersion }: KernelInfoOptions): Json {
  return {
    status: 'ok',
    protocol_version: protocolVersion,
    implementation: 'llama-pro',
    implementation_version: version,
    language_info: {
      name: 'typescript',
      version: typescriptVersion,
      mimetype: 'text/x.typescript',
      file_extension: '.ts',
      pygments_lexer: 'typescript',
      codemirror_mode: 'typescript',
      nbconvert_exporter: 'script',
    },
    banner: `Llama Pro Lab ${version} - TypeScript ${typescriptVersion} on Node.js ${process.version}`,
    help_links: [{ text: 'LLaMA Pro (the paper)', url: 'https://arxiv.org/abs/2401.02415' }],
    debugger: false,
    supported_features: [],
  }
}
