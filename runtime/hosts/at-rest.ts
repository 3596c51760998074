/** A store of several hosts opened without agents, by whoever looks after it: this process opens every file itself. */
import type { BackendFactory } from '../../src/backend.js'
import { HostsBackend } from './hosts-backend.js'
import { catalogueUrl, fileUrl, noteMade, requireFiles } from './hosts-folder.js'

/** @throws StateLostError */
export function hostsAtRest(folder: string, count: number, createBackend: BackendFactory): HostsBackend {
  requireFiles(folder)
  return new HostsBackend({
    url: `nvram:${folder}`,
    files: Array.from({ length: count }, (_, i) => createBackend(fileUrl(folder, i, count))),
    catalogue: createBackend(catalogueUrl(folder)),
    haveAgents: false,
    onOpened: () => noteMade(folder),
  })
}
