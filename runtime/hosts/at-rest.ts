/** A store of several hosts opened without agents, by whoever looks after it: this process opens every file itself. */
import type { BackendFactory } from '../../src/backend.js'
import { HostsBackend } from './hosts-backend.js'
import { catalogueUrl, fileUrl } from './hosts-folder.js'

export const hostsAtRest = (folder: string, count: number, createBackend: BackendFactory): HostsBackend =>
  new HostsBackend({
    url: `nvram:${folder}`,
    files: Array.from({ length: count }, (_, i) => createBackend(fileUrl(folder, i, count))),
    catalogue: createBackend(catalogueUrl(folder)),
    haveAgents: false,
  })
