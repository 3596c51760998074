import { clearLine, cursorTo } from 'node:readline'
import { stats } from '../index.js'

const EVERY_MS = 150

/** One line that is rewritten in place on a terminal; nothing elsewhere. Gives what ends it. */
export function showProgress(to: NodeJS.WriteStream = process.stderr): () => void {
  if (!to.isTTY) return () => {}
  let shown = false
  const timer = setInterval(() => {
    const line = progressLine()
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

function progressLine(): string | undefined {
  const { tasks, done, failed } = stats()
  if (tasks === 0 || done + failed >= tasks) return undefined
  return `${done} of ${tasks} tasks done${failed > 0 ? `, ${failed} failed` : ''}`
}

function rewrite(to: NodeJS.WriteStream, line: string): void {
  cursorTo(to, 0)
  clearLine(to, 0)
  to.write(line.slice(0, Math.max(0, (to.columns ?? 80) - 1)))
}
