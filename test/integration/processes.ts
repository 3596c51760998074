import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { root } from '../tools/test-files.js'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ProcessOptions {
  readonly storage?: string
  /** Of the runtime's own records; beside the store in a test's temporary folder. */
  readonly stateFolder?: string
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs `node args…` to its end. */
export async function node(args: readonly string[], { storage, stateFolder, cwd = root, env = {} }: ProcessOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NO_COLOR: '1',
      ...(storage !== undefined && { INSITU_STORAGE: storage }),
      ...(stateFolder !== undefined && { INSITU_STATE: stateFolder }),
      ...env,
    },
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

export const insitu = (args: readonly string[], options?: ProcessOptions): Promise<Ended> =>
  node([join(root, 'dist/runtime/cli/insitu.js'), ...args], options)

/** A program of examples/wordcount, compiled. */
export const wordcount = (
  name: 'producer' | 'consumer' | 'merging-consumer' | 'cleaner' | 'sequential',
  args: readonly string[],
  options?: ProcessOptions,
): Promise<Ended> => node([join(root, `dist/examples/wordcount/${name}.js`), ...args], options)

/** Fails with the process's own words, which say more than its exit code. */
export function assertOk(ended: Ended): Ended {
  if (ended.code !== 0) throw new Error(`ended with code ${ended.code}: ${ended.stderr || ended.stdout}`)
  return ended
}
