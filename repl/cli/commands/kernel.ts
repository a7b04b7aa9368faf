import { Command } from 'commander'
import { type InstallOptions, installKernelSpec, uninstallKernelSpec } from '../../../kernel/install.js'
import { surroundings } from '../../../kernel/jupyter-paths.js'
import type { CommandContext } from '../context.js'
import { pairs } from '../text.js'

const examples = `
Examples:
  llama-pro kernel install
  llama-pro kernel install --sys-prefix --name llama-pro-dev
  jupyter lab                     choose "Llama Pro Lab (TypeScript)"
  llama-pro kernel uninstall`

export function kernelCommand(context: CommandContext): Command {
  const command = new Command('kernel')
    .summary('make the notebook kernel known to Jupyter')
    .description(
      'Installs or removes the Jupyter kernel, for notebooks in TypeScript. No Python is needed to install it.',
    )
    .addHelpText('after', examples)
  const withPlace = (subcommand: Command) =>
    subcommand
      .option('--user', "in the user's own Jupyter directory (default)")
      .option('--prefix <dir>', 'in <dir>/share/jupyter')
      .option('--sys-prefix', 'in the active Python environment')
      .option('--name <name>', 'by which Jupyter knows it', 'llama-pro')
  return command
    .addCommand(
      withPlace(new Command('install').description('Makes the kernel known to Jupyter.'))
        .option('--display-name <text>', 'that people see', 'Llama Pro Lab (TypeScript)')
        .action((options: InstallOptions) => install(context, options)),
    )
    .addCommand(
      withPlace(new Command('uninstall').description('Removes the kernel from Jupyter.')).action(
        (options: InstallOptions) => uninstall(context, options),
      ),
    )
}

function install({ out, io }: CommandContext, options: InstallOptions): void {
  const installed = installKernelSpec({ ...options, where: { ...surroundings(), env: io.env } })
  out.line(`Installed the kernel ${out.style.bold(installed.name)}.`)
  pairs(out, [
    ['directory', installed.directory],
    ['next', `jupyter lab, or jupyter console --kernel ${installed.name}`],
  ])
  if (!installed.isOnSearchPath)
    out.warning(
      `Jupyter looks there only when JUPYTER_PATH names ${installed.dataDir} or it runs from that environment.`,
    )
  out.document(installed)
}

function uninstall({ out, io }: CommandContext, options: InstallOptions): void {
  const directory = uninstallKernelSpec({ ...options, where: { ...surroundings(), env: io.env } })
  out.line(`Removed ${directory}.`)
  out.document({ directory })
}
