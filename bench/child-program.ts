/** A program that is asked for one sample after the other: a line to its stdin, a line of JSON back. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export class ChildProgram {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<unknown>

  constructor(
    readonly program: URL,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ) {
    this.#child = spawn(process.execPath, [fileURLToPath(program), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
    this.#ended = once(this.#child, 'close')
  }

  async ask(line: string): Promise<Readonly<Record<string, number>>> {
    this.#child.stdin!.write(`${line}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.program.pathname} ended before it answered`)
    return JSON.parse(value) as Readonly<Record<string, number>>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end()
    await this.#ended
  }
}
