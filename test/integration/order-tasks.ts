/** Tasks that tell when they ran, for the tests of what runs beside what. */
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { COMMUTATIVE, CONCURRENT, IN, IN_DELETE, INOUT, OUT, StorageObject, type TaskFn, task } from '../../runtime/index.js'

export class Board extends StorageObject {
  names: string[] = []
}

/** Whether another one runs at the same time: each leaves a file while it runs, and looks for that of the other for so long at most. */
const meet = async (_board: Board, own: string, other: string, ms: number): Promise<boolean> => {
  writeFileSync(own, '')
  const endMs = performance.now() + ms
  let isSeen = existsSync(other)
  while (!isSeen && performance.now() < endMs) {
    await delay(2)
    isSeen = existsSync(other)
  }
  // Whom it has seen is to see it too.
  if (isSeen) await delay(50)
  rmSync(own)
  return isSeen
}

type Meeting = TaskFn<[board: Board, own: string, other: string, ms: number], Promise<boolean>>

export const inOf: Meeting = task(meet, { args: [IN] })
export const outOf: Meeting = task(meet, { args: [OUT] })
export const inoutOf: Meeting = task(meet, { args: [INOUT] })
export const concurrentOf: Meeting = task(meet, { args: [CONCURRENT] })
export const commutativeOf: Meeting = task(meet, { args: [COMMUTATIVE] })
export const inDeleteOf: Meeting = task(meet, { args: [IN_DELETE] })

/** Writes its name on the board, once all else that it is given is there. */
export const sign = task((board: Board, name: string, _first?: unknown) => void board.names.push(name), { args: [COMMUTATIVE] })
export const namesOn = task((board: Board) => board.names)

/** Writes its name into a file. */
export const note = task((file: string, name: string) => appendFileSync(file, `${name} `))
/** Ends when there is a file, and not before. */
export const held = task(async (go: string) => {
  while (!existsSync(go)) await delay(2)
})
