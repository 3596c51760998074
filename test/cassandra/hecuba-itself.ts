/** Hecuba itself, from PyPI (its wheel is numbered 1.2.4), where Python 3.11 is there and can install it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CassandraSite } from '../servers/cassandra.js'

export class HecubaItself {
  private constructor(
    readonly folder: string,
    readonly python: string,
  ) {}

  /** Or why it cannot be had. */
  static async install(): Promise<HecubaItself | string> {
    const folder = await mkdtemp(join(tmpdir(), 'insitu-hecuba-'))
    const python = join(folder, 'venv/bin/python')
    const why = install(folder, python)
    if (why === undefined) return new HecubaItself(folder, python)
    await rm(folder, { recursive: true, force: true })
    return why
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }

  /** A module that programs can import. */
  async module(name: string, text: string): Promise<void> {
    await writeFile(join(this.folder, `${name}.py`), `${MOVED}${text}`)
  }

  /** What a program prints, line by line. */
  async run(site: CassandraSite, keyspace: string, program: string): Promise<readonly string[]> {
    const file = join(this.folder, 'program.py')
    await writeFile(file, `${MOVED}${program}${ENDING}`)
    const env = { ...process.env, CONTACT_NAMES: '127.0.0.1', NODE_PORT: String(site.port), EXECUTION_NAME: keyspace }
    const ended = spawnSync(this.python, [file], { encoding: 'utf8', env, timeout: 240_000 })
    assert.equal(ended.status, 0, ended.stderr)
    return ended.stdout.trimEnd().split('\n')
  }
}

/** Modules that this Python has under other names than when the wheel was made. */
const MOVED = `import collections, collections.abc
for name in ("Iterable", "Mapping", "MutableMapping", "Sequence", "Callable"):
    setattr(collections, name, getattr(collections.abc, name))
`

/** Its driver's threads outlive what they use, and now and then bring an orderly end down ("pure virtual method called"). */
const ENDING = `
import os, sys
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
`

/** Why Hecuba cannot be had; its parts of others are as old as it is. */
function install(folder: string, python: string): string | undefined {
  const made = spawnSync('python3.11', ['-m', 'venv', join(folder, 'venv')], { encoding: 'utf8' })
  if (made.status !== 0 || !existsSync(python)) return 'there is no Python 3.11 with venv'
  const done = spawnSync(python, ['-m', 'pip', 'install', '-q', 'hecuba==1.2.4', 'numpy<2'], { encoding: 'utf8', timeout: 240_000 })
  return done.status === 0 ? undefined : `Hecuba cannot be installed from PyPI: ${done.stderr.trim().split('\n').at(-1)}`
}
