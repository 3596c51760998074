import { PassThrough } from 'node:stream'
import { setTimeout as passed } from 'node:timers/promises'
import { expect } from 'chai'
import { showProgress } from '../../runtime/cli/progress.js'

class Terminal extends PassThrough {
  written = ''
  constructor(
    readonly isTTY: boolean,
    readonly columns: number,
  ) {
    super()
    this.on('data', (chunk: Buffer) => {
      this.written += chunk.toString()
    })
  }

  /** Its last line as people see it: what was written since the line was last cleared. */
  get line(): string {
    return this.written.slice(this.written.lastIndexOf('\u001b[2K')).replace('\u001b[2K', '')
  }
}

/** Until something is true: a busy machine takes longer than a tick. */
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !what(); i++) await passed(20)
}

describe('progress', () => {
  for (const [columns, line] of [
    [100, '3 of 8 tasks done, 1 failed'],
    [0, '3 of 8 tasks done, 1 failed'],
    [11, '3 of 8 tas'],
  ] as const)
    it(`is one line on a terminal of ${columns || 'unknown'} columns, and is gone at the end`, async () => {
      const terminal = new Terminal(true, columns)
      const hide = showProgress(terminal, () => ({ tasks: 8, done: 3, failed: 1 }))
      await until(() => terminal.written !== '')
      expect(terminal.line).to.equal(line)
      hide()
      expect(terminal.line).to.equal('')
      expect(terminal.written).to.not.contain('\n')
    })

  it('is nothing on a pipe, and nothing where no task waits', async () => {
    const [pipe, idle] = [new Terminal(false, 80), new Terminal(true, 80)]
    const [hidePipe, hideIdle] = [
      showProgress(pipe, () => ({ tasks: 8, done: 3, failed: 0 })),
      showProgress(idle, () => ({ tasks: 8, done: 7, failed: 1 })),
    ]
    await passed(400)
    hidePipe()
    hideIdle()
    expect([pipe.written, idle.written]).to.deep.equal(['', ''])
  })
})
