/** How long the way back to a lost value may be, and what it may cost the program to remember it. */
import { expect } from 'chai'
import { type Lineage, lineageOf } from '../../runtime/driver/lineage.js'
import { type Arg, type CallKind, FromTask, RESULT, TaskRecord } from '../../runtime/driver/task-record.js'

const kind = {} as CallKind
let tasks = 0

/** A task that has made a large value of its arguments. */
function made(...args: readonly Arg[]): TaskRecord {
  const record = new TaskRecord(tasks++, 0, kind, args)
  record.result = { k: 'r', h: 0, n: `${record.task}`, s: 1_000_000 }
  record.lineage = lineageOf(record, [])
  return record
}
const resultOf = (record: TaskRecord): FromTask => new FromTask(record, RESULT)

/** How many tasks would have to run to make a value again, if all values behind it were gone. */
const depth = (lineage: Lineage | undefined): number =>
  lineage ? 1 + Math.max(0, ...lineage.args.map((arg) => (typeof arg === 'object' && arg?.k === 's' ? depth(arg.from) : 0))) : 0

describe('the lineage of a value', () => {
  it('goes back over the tasks behind it, through lists and values that hold others', () => {
    const first = made(1)
    const second = made({ k: 'a', e: [resultOf(first), 2] })
    const third = made({ k: 'v', b: new Uint8Array(3), f: [resultOf(second)] }, resultOf(first))
    expect([first, second, third].map(({ lineage }) => lineage!.depth)).to.deep.equal([1, 2, 3])
  })

  it('of a loop that feeds each result to the next call is cut, and begins anew', () => {
    let last = made(0)
    let longest = 0
    for (let i = 0; i < 1000; i++) {
      last = made(resultOf(last))
      longest = Math.max(longest, depth(last.lineage))
    }
    expect(longest).to.equal(64)
    expect(depth(last.lineage)).to.be.lessThan(65).and.greaterThan(0)
  })

  it('is not kept where it would hold much of what was passed, in whatever form', () => {
    const bytes = new Uint8Array(600_000)
    expect(made({ k: 'v', b: bytes }).lineage).not.to.equal(undefined)
    expect(made({ k: 'v', b: bytes }, { k: 'a', e: [{ k: 'v', b: bytes }] }).lineage).to.equal(undefined)
    expect(made('x'.repeat(2 ** 20 + 1)).lineage).to.equal(undefined)
  })

  it('holds no value: what the program lets go of goes from its host', () => {
    const source = made(resultOf(made(1))).lineage!.args[0]
    expect(source).to.have.property('k', 's')
    expect(source).to.have.property('value').that.is.instanceOf(WeakRef)
  })
})
