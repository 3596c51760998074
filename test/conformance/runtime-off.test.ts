import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const COMMAND = fileURLToPath(new URL('./run.js', import.meta.url))

interface Line {
  readonly case?: string
  readonly result?: string
  readonly title?: string
  readonly passed?: number
}

/** Tasks run in place then, where nobody has to find them by their names. */
const ONLY_ON = ['I77']

describe('conformance: the runtime off', function () {
  this.timeout(180_000)

  it('every case holds as it does with the runtime on, but that a task must be exported', async () => {
    const env = { ...process.env, INSITU_RUNTIME: 'off' }
    const child = spawn(process.execPath, [COMMAND, 'memory:', '--json'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'close')
    const lines: Line[] = []
    for await (const line of createInterface({ input: child.stdout })) lines.push(JSON.parse(line) as Line)
    await ended
    const failed = lines.filter(({ result }) => result === 'failed')
    assert.deepEqual(
      failed.map((one) => one.case),
      ONLY_ON,
      failed.map(({ title }) => title).join('\n'),
    )
    assert.ok(Number(lines.at(-1)!.passed) > 300, JSON.stringify(lines.at(-1)))
  })
})
