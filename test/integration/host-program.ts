/** A program on hosts, for hosts-programs.test.ts. */
import { hosts, isInsituError, main, stats } from '../../runtime/index.js'
import { Cell, crash, lines, madeOf, sizeOf } from './host-program-tasks.js'

const cellAt = (host: string): Promise<Cell> => new Cell().makePersistent(undefined, { host })

main(import.meta, async () => {
  const [first, second] = await hosts()
  const cell = await cellAt(first!)
  if (process.argv[2] === 'print') return void (await lines(cell, 5000))
  const value = madeOf(cell, 200_000)
  await sizeOf(cell, value) // it is there
  const code = await crash(cell).then(
    () => 'none',
    (error: unknown) => isInsituError(error) && error.code,
  )
  const kept = await sizeOf(await cellAt(second!), value)
  console.log(JSON.stringify({ code, kept, remade: stats()['remade'] }))
})
