import { writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import {
  barrier,
  connect,
  dump,
  executeTask,
  explain,
  type Future,
  finish,
  init,
  NotFoundError,
  UnsavedChangesError,
  ValidationError,
  WrongDirectionError,
  waitOn,
} from '../../runtime/index.js'
import { withMarker } from '../conformance/is-first.js'
import * as t from './hostile-tasks.js'
import { memoryUsed } from './memory-used.js'
import { thrown } from './thrown.js'

describe('what tasks are given and give', function () {
  this.timeout(60_000)
  before(() => connect('memory:'))
  after(() => finish())

  it('futures stand anywhere in an argument: lists, maps, sets, fields, keys', async () => {
    const [three, four] = [t.slowly(3, 10), t.square(2)]
    expect(
      await t.sumOfMap(
        new Map([
          ['a', three],
          ['b', 1],
        ] as [string, number][]),
      ),
    ).to.equal(4)
    const deep = { a: three, deep: { list: [1, four], set: new Set([three, 10]) } }
    expect(await t.sumOfFields(deep as never)).to.equal(3 + 5 + 13)
    expect(await t.echo([[three, [four]]])).to.deep.equal([[3, [4]]])
    expect(await t.echo({ twice: [three, three], m: new Map([[three, four]]) } as unknown)).to.deep.equal({
      twice: [3, 3],
      m: new Map([[3, 4]]),
    })
  })

  it('a body knows its task by the name of its export', async () => {
    expect(await t.ownName()).to.equal('ownName')
  })

  it('a call is explained at once', async () => {
    const held = t.slowly(1, 20)
    const behind = t.echo(held)
    expect(explain(behind)).to.match(/^echo#\d+ waits for .*slowly#\d+/)
    expect(dump()).to.match(/echo#\d+ waits for/)
    await behind
  })

  it('a future that stands in a value with shared parts and cycles leaves them as they are', async () => {
    const part = { f: t.square(3) }
    const whole: { a: object; b: object; self: unknown } = { a: part, b: part, self: undefined }
    whole.self = whole
    expect(await t.isSame(whole)).to.equal(true)
  })

  it('futures that are over are arguments like any other', async () => {
    const over = t.square(5)
    await over
    expect(await t.echo([over, { over }] as unknown)).to.deep.equal([25, { over: 25 }])
    const ignored = t.failIgnored()
    await ignored
    expect(await t.echo(ignored)).to.equal(undefined)
  })

  it('a future of a failed task cancels the call, whether it failed before or after', async () => {
    const bad = t.rejectLater()
    const before = t.echo(bad)
    await thrown(() => bad)
    for (const call of [before, t.echo(bad), t.echo([bad]), t.echo({ deep: bad })]) {
      const error = await thrown(() => call)
      expect(error).to.have.property('code', 'ERR_TASK_FAILED')
      expect((error.cause as Error).message).to.equal('later')
    }
  })

  it('a failed task cancels the call also where that waits for a promise from outside', async () => {
    const bad = t.throwOdd(delay(1, 'from outside'))
    for (const call of [t.echo(bad), t.echo([bad, delay(1)]), t.echo(t.echo(bad))]) {
      const error = await thrown(() => call)
      expect(error).to.have.property('code', 'ERR_TASK_FAILED')
      expect(error.message).to.include('was not run')
    }
    await thrown(() => bad)
    await barrier()
  })

  it('what a call is given is taken at the call, also where it waits for a promise from outside', async () => {
    const [o, list] = [{ n: 1 }, [{ n: 1 }]]
    const calls = [
      t.echo([o, delay(5, 'there')] as unknown),
      t.join(o, delay(5)),
      t.join(list, delay(5)),
      t.join([o, t.square(3)], delay(5)),
    ]
    t.addTo(o, 5)
    o.n = 100
    list[0]!.n = 100
    expect(await Promise.all(calls)).to.deep.equal([[{ n: 1 }, 'there'], { n: 1 }, [{ n: 1 }], [{ n: 1 }, 9]])
    const after = t.join(o, delay(5))
    t.addTo(o, 5)
    expect(await after).to.deep.equal({ n: 6 })
    expect(await waitOn(o)).to.deep.equal({ n: 11 })
  })

  it('a method runs on an object that is still a future', async () => {
    const box = t.newBox(4)
    expect(await executeTask(box, 'add', 3)).to.equal(7)
    expect(await t.nOf(box)).to.equal(7)
  })

  it('objects newly stored by a task come back as objects, wherever they stand', async () => {
    const { first, all, byName } = await t.newBoxes(3)
    expect(first).to.equal(all[0])
    expect(byName.get('b2')).to.equal(all[2])
    expect((await all[2]!.load()).n).to.equal(2)
    expect(await t.nOfAll(all)).to.equal(3)
  })

  it('the object that a future gives is loaded for the body, also inside a map', async () => {
    const boxes = new Map<string, unknown>([
      ['x', t.newBox(4)],
      ['y', t.newBox(5)],
    ])
    expect(await t.nOfMapped(boxes as never)).to.equal(9)
    expect(await t.nOfAll([t.newBox(1), t.newBox(2)])).to.equal(3)
  })

  it('volatile objects travel with what they refer to, and stay volatile', async () => {
    const box = await t.volatileBox(1)
    expect([box.getID(), box.n, box.next!.n]).to.deep.equal([null, 1, 2])
    expect(box.next).to.be.instanceOf(t.Box)
    expect(await t.nOf(box)).to.equal(1)
  })

  it('a nested list that a task writes is a value like any other', async () => {
    const list = [[1], [2]]
    t.pushNested(list, 5)
    t.pushNested(list, 6)
    expect(await waitOn(list)).to.deep.equal([[1, 5, 6], [2]])
  })

  it('a list that a task writes holds what others have written to its items', async () => {
    const inner = [1]
    t.pushNested([inner], 5) // the list is written, its items are not
    const list = [inner, [2]]
    t.pushAll(inner, [3])
    t.pushNested(list, 4)
    expect(await waitOn(list)).to.deep.equal([[1, 3, 4], [2]])
    expect(await waitOn(inner)).to.deep.equal([1, 3])
  })

  it('what an ignored task wrote does not count, and later tasks go on', async () => {
    const o = { n: 1 }
    t.addTo(o, 1)
    t.failOnWrite(o)
    await barrier()
    expect(await t.readN(o)).to.equal(2)
    expect((await waitOn(o)).n).to.equal(2)
    t.addTo(o, 5)
    expect((await waitOn(o)).n).to.equal(7)
    expect(await t.square(2)).to.equal(4)
  })

  it('promises in what a body returns are waited for', async () => {
    expect(await t.promisesOf(1)).to.deep.equal([1, [2]])
  })

  it('a call that is refused leaves nothing behind', async () => {
    const o = { n: 1 }
    const call = (): unknown => t.addTo(o, (() => 1) as never)
    expect(await thrown(call as never)).to.be.instanceOf(ValidationError)
    t.addTo(o, 2)
    expect((await waitOn(o)).n).to.equal(3)
  })

  it('unsaved changes, deleted arguments and a changed IN argument are refused by type', async () => {
    const [box, shelf] = [await new t.Box().makePersistent(), await new t.Shelf().makePersistent()]
    box.n = 3
    expect(await thrown(() => t.nOf(box))).to.be.instanceOf(UnsavedChangesError)
    expect(await thrown(() => t.nOfAll([box]))).to.be.instanceOf(UnsavedChangesError)
    await box.save()
    for (const [call, argument] of [
      [() => t.changeIn(box), 1],
      [() => t.changeInRows(0, shelf), 2],
      [() => box.changeUndeclared(), 0],
      [() => t.changeInValue({ n: 1 }), 1],
      [() => box.changeValue({ n: 1 }), 1],
    ] as const) {
      const error = await thrown(() => call())
      expect(error).to.be.instanceOf(WrongDirectionError)
      expect(error).to.include({ argument })
      expect(error.message).to.match(argument === 0 ? /^changeUndeclared changed Box .*, its object,/ : /^[\w.]+ changed .*argument \d/)
    }
    const slow = t.addSlowly(box, 30)
    const late = t.nOf(box)
    await slow
    expect(await late).to.equal(4)
    const held = t.slowly(1, 50)
    const gone = t.echo([held, box])
    await box.deletePersistent()
    expect(await thrown(() => gone)).to.be.instanceOf(NotFoundError)
  })

  it('objects in a written list are ordered with those who use them by themselves', async () => {
    const boxes = await Promise.all([new t.Box().makePersistent(), new t.Box().makePersistent()])
    for (let i = 0; i < 5; i++) {
      t.addAll(boxes, 1)
      t.addN(boxes[i % 2]!, 10)
    }
    await barrier()
    expect(boxes.map((b) => b.n)).to.deep.equal([35, 25])
  })

  it('a hundred megabytes go there and back', async () => {
    const n = 100 << 20
    expect(await t.sizeOf(new Uint8Array(n))).to.equal(n)
    const back = await t.bytesOf(n)
    expect([back.length, back[0], back[n - 1]]).to.deep.equal([n, 7, 7])
  })

  it('recursion of tasks gives its result', async () => {
    expect(await t.fibonacci(12)).to.equal(144)
  })

  it('results go when no future holds them', async () => {
    await t.bytesOf(10)
    const before = memoryUsed()
    for (let i = 0; i < 20; i++) await t.sizeOf(t.bytesOf(4 << 20) as Future<Uint8Array<ArrayBuffer>>)
    expect(await keptSince(before)).to.be.lessThan(20)
  })

  it('results of tasks on persistent objects go as well', async () => {
    const boxes = await Promise.all(Array.from({ length: 20 }, () => new t.Box().makePersistent()))
    const before = memoryUsed()
    for (const box of boxes) await t.bytesFor(box, 4 << 20)
    expect(await keptSince(before)).to.be.lessThan(20)
  })
})

/** Mebibytes that are held since then, once the engine has told of all that nobody holds, which takes it some turns. */
async function keptSince(before: number): Promise<number> {
  let kept = Number.POSITIVE_INFINITY
  for (let looks = 0; looks < 50 && kept >= 20; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    kept = (memoryUsed() - before) / (1 << 20)
  }
  return kept
}

describe('CONCURRENT tasks', function () {
  this.timeout(60_000)
  before(async () => {
    await connect('memory:')
    await init({ workers: 2 })
  })
  after(() => finish())

  it('and writers of a volatile value, which is another value from then on, wait for no earlier reader', async () => {
    const list = [1]
    await withMarker(async (marker) => {
      const reading = t.onceThere(list, marker)
      t.pushAll(list, [2])
      expect(await waitOn(list)).to.deep.equal([1, 2])
      writeFileSync(marker, '')
      expect(await reading).to.deep.equal([1])
    })
  })

  it('on one object run at the same time', async () => {
    const box = await new t.Box().makePersistent()
    await withMarker(async (marker) => {
      const [one, other] = [`${marker}-1`, `${marker}-2`]
      expect(await Promise.all([t.meets(box, one, other), t.meets(box, other, one)])).to.deep.equal([true, true])
    })
  })
})
