/** Where Jupyter looks for kernels, from the environment alone: no Python is asked. */
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface Surroundings {
  env: Record<string, string | undefined>
  platform: NodeJS.Platform
  home: string
}

/** Those of this process. */
export function surroundings(): Surroundings {
  return { env: process.env, platform: process.platform, home: homedir() }
}

/** Jupyter's data directory of the user: `JUPYTER_DATA_DIR`, or the custom of the system. */
export function jupyterDataDir({ env, platform, home }: Surroundings): string {
  if (env['JUPYTER_DATA_DIR']) return env['JUPYTER_DATA_DIR']
  if (platform === 'darwin') return join(home, 'Library', 'Jupyter')
  if (platform === 'win32') return env['APPDATA'] ? join(env['APPDATA'], 'jupyter') : join(home, '.jupyter', 'data')
  return join(env['XDG_DATA_HOME'] || join(home, '.local', 'share'), 'jupyter')
}

/** The Python environment that is active (venv or conda); null when none is. */
export function activePrefix({ env }: Surroundings): string | null {
  return env['VIRTUAL_ENV'] || env['CONDA_PREFIX'] || null
}

/** Jupyter's directory below the root of a Python environment. */
export function prefixDataDir(prefix: string): string {
  return join(prefix, 'share', 'jupyter')
}

/** The directories that Jupyter searches, the first first. */
export function jupyterSearchPath(where: Surroundings): string[] {
  const { env, platform } = where
  const given = (env['JUPYTER_PATH'] ?? '').split(delimiter).filter(Boolean)
  const active = activePrefix(where)
  const system =
    platform === 'win32'
      ? [join(env['PROGRAMDATA'] ?? 'C:\\ProgramData', 'jupyter')]
      : ['/usr/local/share/jupyter', '/usr/share/jupyter']
  return [...given, jupyterDataDir(where), ...(active === null ? [] : [prefixDataDir(active)]), ...system]
}
