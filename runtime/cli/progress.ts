import { clearLine, cursorTo } from 'node:readline'
import { stats } from '../index.js'

const EVERY_MS = 150

type Terminal = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }
type Figures = Pick<ReturnType<typeof stats>, 'tasks' | 'done' | 'failed'>

/** One line that is rewritten in place on a terminal; nothing elsewhere. Gives what ends it. */
export function showProgress(to: Terminal = process.stderr, figures: () => Figures = stats): () => void {
  if (!to.isTTY) return () => {}
  let shown = false
  const timer = setInterval(() => {
    const line = progressLine(figures())
    if (line === undefined) return
    rewrite(to, line)
    shown = true
  }, EVERY_MS)
  // It only watches: the program ends when the program ends.
  timer.unref()
  return () => {
    clearInterval(timer)
    if (shown) rewrite(to, '')
    shown = false
  }
}

function progressLine({ tasks, done, failed }: Figures): string | undefined {
  if (tasks === 0 || done + failed >= tasks) return undefined
  return `${done} of ${tasks} tasks done${failed > 0 ? `, ${failed} failed` : ''}`
}

function rewrite(to: Terminal, line: string): void {
  cursorTo(to, 0)
  clearLine(to, 0)
  // one that nobody has told its size (in a container, under `script`) says 0
  to.write(line.slice(0, (to.columns || 80) - 1))
}
