/** Where random programs on dicts can be tried by a word: servers are started for it, and ended. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// registers sqlite:
import '../../examples/sqlite-backend/index.js'
import type { ConformanceFactory } from '../conformance/session.js'
import { subjectAt } from '../conformance/subjects.js'
import { cassandraSite } from '../servers/cassandra.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'

export interface Place {
  readonly factory: ConformanceFactory
  stop(): Promise<void>
}

const served = async (starting: Promise<{ readonly url: string; stop(): Promise<void> }>): Promise<Place> => {
  const server = await starting
  return { factory: subjectAt(server.url), stop: () => server.stop() }
}

export const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  memory: async () => ({ factory: subjectAt('memory:'), stop: async () => {} }),
  domains: async () => ({ factory: subjectAt('memory:?domains=3'), stop: async () => {} }),
  nvram: () => inFolder((folder) => subjectAt(`nvram:${folder}`)),
  sqlite: () => inFolder((folder) => () => ({ name: 'sqlite', open: () => `sqlite:${join(folder, 'dicts.db')}` })),
  redis: () => served(RedisServer.start()),
  'redis+cluster': () => served(RedisCluster.start()),
  async cassandra() {
    const site = await cassandraSite()
    const { contactPoints, port, dataCentre } = site
    return { factory: subjectAt(`cassandra://${contactPoints.join(',')}:${port}/any?dc=${dataCentre}`), stop: () => site.stop() }
  },
}

async function inFolder(at: (folder: string) => ConformanceFactory): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-model-'))
  return { factory: at(folder), stop: () => rm(folder, { recursive: true, force: true }) }
}
