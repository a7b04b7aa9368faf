import { isHubAddress } from '../checkpoint/hub-address.js'
import { type DownloadOptions, resolveModel } from '../checkpoint/hub-download.js'

/** The local directory of a model: the path itself, or the cached download of `hf://owner/name[@revision]`. */
export async function resolveModelDir(where: string, options: DownloadOptions = {}): Promise<string> {
  return isHubAddress(where) ? (await resolveModel(where, options)).directory : where
}
