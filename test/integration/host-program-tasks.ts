/** The tasks of host-program.ts. */
import { StorageObject, task } from '../../runtime/index.js'

export class Cell extends StorageObject {
  n = 0
}

export const lines = task((_near: Cell, count: number) => {
  for (let i = 0; i < count; i++) console.log(`line ${i}`)
})
export const madeOf = task((_near: Cell, bytes: number) => new Uint8Array(bytes))
export const sizeOf = task((_near: Cell, value: Uint8Array) => value.length)
export const crash = task((_near: Cell) => process.abort())
