/** A long file on purpose: one law after the other. */
import assert from 'node:assert/strict'
import { barrier, executeTask, getByID, getResult, loadAll, stats, update, waitOn } from '../../runtime/index.js'
import {
  ConflictError,
  InsituError,
  NotFoundError,
  TaskFailedError,
  UnavailableError,
  UnsavedChangesError,
  WrongDirectionError,
} from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import * as tasks from './conformance-tasks.js'
import { all, refused, thrown } from './expect.js'
import { ElsewhereBackend, FaultyBackend } from './faulty-backend.js'
import { SharedBackend } from './forwarding-backend.js'
import { withMarker } from './is-first.js'
import { Counter, Counts, Dog, Grid, Item, Person, Tally, Texts, Totals } from './model.js'

const counter = (n: number): Promise<Counter> => Object.assign(new Counter(), { n }).makePersistent()
const stored = (ctx: CaseContext, o: { getID(): Counter['getID'] extends () => infer R ? R : never }): Promise<number> =>
  ctx.other(async () => (await Counter.getByID(o.getID()!)).n)

/** The error that user code threw, also where it arrives as the cause of a failed task. */
function original(error: unknown): Error & Record<string, unknown> {
  assert.ok(error instanceof Error, String(error))
  return (error instanceof TaskFailedError && error.cause instanceof Error ? error.cause : error) as Error & Record<string, unknown>
}

/** A reader before a writer sees the old state, one after it the new, and three writers add up. */
async function versionRules(): Promise<void> {
  const o = await counter(1)
  const before = tasks.readNTwice(o)
  for (let i = 0; i < 3; i++) tasks.addN(o, 1)
  const after = tasks.readN(o)
  assert.deepEqual(await before, [1, 1])
  assert.equal(await after, 4)
  await barrier()
  assert.equal(o.n, 4)
}

/** Four texts of one kind, for the reductions. */
const texts = (): Promise<Texts[]> =>
  Promise.all(Array.from({ length: 4 }, () => Object.assign(new Texts(), { lines: ['This is', 'a test'] }).makePersistent()))

const eachFour = [
  ['This', 4],
  ['a', 4],
  ['is', 4],
  ['test', 4],
] as const

const grid = async (rows: number[]): Promise<Grid> => Object.assign(new Grid(), { rows }).makePersistent()
const rowsOf = (ctx: CaseContext, grids: Grid[]): Promise<number[][]> =>
  ctx.other(async () => ((await getByID(...grids.map((g) => g.getID()!))) as Grid[]).map((g) => g.rows))

/** Tasks on persistent objects. */
export const taskCases: readonly Case[] = [
  law('C10', 'a task sums a persistent list, and waiting twice gives the same', async () => {
    const o = await Object.assign(new Item(), { list: [1, 2, 3, 4, 5] }).makePersistent()
    const sum = tasks.sumOf(o)
    assert.equal(await sum, 15)
    assert.equal(await waitOn(sum), 15)
  }),

  law('C11', 'a volatile object that a task fills and returns has the new content', async () => {
    const back = await tasks.fillAndReturn(new Item(), 'filled')
    assert.ok(back instanceof Item)
    assert.equal(back.text, 'filled')
    assert.equal(back.getID(), null)
  }),

  law('C13', 'a task doubles two persistent objects and returns both in a list', async (ctx) => {
    const [a, b] = [await counter(2), await counter(5)]
    assert.deepEqual(await tasks.doubleBoth(a, b), [4, 10])
    assert.deepEqual([await stored(ctx, a), await stored(ctx, b)], [4, 10])
  }),

  law('C14', 'an object that one task made persistent is the argument of the next', async (ctx) => {
    const p = await counter(1)
    const made = tasks.timesTen(p)
    assert.equal(await tasks.squareN(made), 100)
    const o = await made
    assert.equal((await o.load()).n, 10)
    assert.equal(await stored(ctx, o), 10)
    assert.equal(await stored(ctx, p), 1)
  }),

  law('C15', 'a task persists an object and returns its id, by which the program finds it', async () => {
    const id = await tasks.persistNew('made in a task')
    assert.equal((await Item.getByID(id)).text, 'made in a task')
  }),

  law('C17', 'a volatile INOUT argument that a task persists has the id made there, after waiting on it', async () => {
    const o = new Item()
    const id = tasks.persistArgument(o, 3)
    const back = await waitOn(o)
    assert.ok(back.getID())
    assert.equal(back.getID(), await id)
    assert.equal((await back.load()).n, 3)
  }),

  law('C18', 'waiting on a volatile INOUT argument gives what the task stored in it', async () => {
    const o = new Item()
    tasks.persistArgument(o, 27)
    assert.equal((await (await waitOn(o)).load()).n, 27)
    const p = Object.assign(new Item(), { text: 'volatile' })
    const returned = tasks.fillAndReturn(p, 'returned')
    assert.equal((await waitOn(p)).text, 'returned')
    assert.equal((await returned).text, 'returned')
  }),

  law('C19', 'an object persisted in a task under a name is that object for the program; unpersisted it has no id', async (ctx) => {
    const alias = ctx.alias('chosen')
    const made = await tasks.persistAs(alias, 'named')
    assert.ok(made.getID())
    const found = await Item.getByAlias(alias)
    assert.equal(found, made)
    assert.equal(found.text, 'named')
    assert.equal((await tasks.makeVolatile('volatile')).getID(), null)
  }),

  law('C21', 'waiting on an object whose method changed it gives it with its id and its change', async () => {
    const o = await counter(1)
    executeTask(o, 'increment', 4)
    const back = await waitOn(o)
    assert.equal(back.getID(), o.getID())
    assert.equal((await back.load()).n, 5)
  }),

  law('C22', 'three increments by a task method of a counter of 1 give 4', async (ctx) => {
    const o = await counter(1)
    for (let i = 0; i < 3; i++) void o.increment(1)
    assert.equal((await waitOn(o)).n, 4)
    assert.equal(await stored(ctx, o), 4)
  }),

  law('C23', 'a person changed by tasks shows all changes under the same id', async (ctx) => {
    const computers = [
      { model: 'a', year: 1 },
      { model: 'b', year: 2 },
    ]
    const p = await Object.assign(new Person(), { name: 'PName2', age: 2, computers }).makePersistent()
    const id = p.getID()
    tasks.rename(p, 'Another', 10)
    await barrier()
    assert.deepEqual([p.getID(), p.name, p.age, p.computers.length], [id, 'Another', 10, 3])
    const copy = await ctx.other(() => Person.getByID(id!))
    assert.deepEqual([copy.name, copy.age, copy.computers.length], ['Another', 10, 3])
  }),

  law('C25', 'changes by tasks of several workers are all there, under the same id', async (ctx) => {
    const computers = [
      { model: 'a', year: 1 },
      { model: 'b', year: 2 },
    ]
    const p = await Object.assign(new Person(), { computers }).makePersistent()
    for (const name of ['one', 'two', 'three']) tasks.rename(p, name, 1)
    await barrier()
    const copy = await ctx.other(() => Person.getByID(p.getID()!))
    assert.deepEqual([copy.name, copy.computers.length], ['three', 5])
  }),

  law('I275', 'tasks that are given the future of an object change it in the order of their calls', async (ctx) => {
    const made = tasks.timesTen(await counter(1))
    tasks.addN(made, 1)
    const between = tasks.readN(made)
    tasks.addN(made, 1)
    const o = await waitOn(made)
    assert.deepEqual([await between, o.n, await stored(ctx, o)], [11, 12, 12])
  }),

  law('C26', 'words of four texts counted in tasks and merged into an INOUT map are four each', async () => {
    const result = new Map<string, number>()
    for (const text of await texts()) tasks.mergeInto(result, tasks.countWords(text))
    assert.deepEqual([...(await waitOn(result))].sort(), eachFour)
  }),

  law('C27', 'the same merged into a persistent object, and into its rows', async (ctx) => {
    const [tally, counts] = [await new Tally().makePersistent(), await new Counts().makePersistent()]
    for (const text of await texts()) {
      const part = tasks.countWords(text)
      tasks.mergeIntoTally(tally, part)
      tasks.mergeIntoRows(counts, part)
    }
    await barrier()
    await ctx.other(async () => {
      assert.deepEqual([...(await Tally.getByID(tally.getID()!)).counts].sort(), eachFour)
      const rows = await all((await Counts.getByID(counts.getID()!)).counts)
      assert.deepEqual(rows.map(([k, v]) => [k.word, Number(v.n)]).sort(), eachFour)
    })
  }),

  law('C29', 'a chain of three transformations over persistent objects gives the same with INOUT and with OUT first', async (ctx) => {
    const wanted = [
      [1, 4, 9, 16],
      [2, 5, 10, 17],
      [6, 15, 30, 51],
    ]
    const from = await grid([1, 2, 3, 4])
    const inout = await Promise.all([grid([]), grid([0]), grid([0])])
    tasks.squareRows(from, inout[0]!)
    tasks.addOneToRows(inout[0]!, inout[1]!)
    assert.deepEqual(await tasks.tripleRows(inout[1]!, inout[2]!), wanted[2])
    assert.deepEqual(await rowsOf(ctx, inout), wanted)
    const out = await Promise.all([grid([9]), grid([9]), grid([9])])
    tasks.squareRowsOut(out[0]!, from)
    tasks.addOneToRowsOut(out[1]!, out[0]!)
    assert.deepEqual(await tasks.tripleRowsOut(out[2]!, out[1]!), wanted[2])
    assert.deepEqual(await rowsOf(ctx, out), wanted)
  }),

  law('C41', 'a task whose store fails at the commit fails with that error, and nothing is stored', async (ctx) => {
    const o = await counter(1)
    const faulty: { backend?: FaultyBackend } = {}
    const store = await ctx.wrapped((backend) => (faulty.backend = new FaultyBackend(backend)))
    await store.run(async () => {
      const mine = await Counter.getByID(o.getID()!)
      faulty.backend!.failCommits({ times: Number.POSITIVE_INFINITY, after: false, error: () => new UnavailableError('the store is full') })
      const error = await thrown(() => tasks.addN(mine, 1))
      assert.ok(original(error) instanceof UnavailableError, String(error))
      faulty.backend!.failCommits({ times: 0, after: false, error: () => new Error() })
      await barrier().catch(() => {})
    })
    assert.equal(await stored(ctx, o), 1)
  }),

  law('C42', 'four concurrent tasks that add to a counter end at four', async () => {
    const o = await new Totals().makePersistent()
    for (let i = 0; i < 4; i++) tasks.hit(o, 'x')
    await barrier()
    assert.equal((await o.rows.get({ name: 'x' }))?.hits, 4n)
    // Those that only read, and those that write alone, wait for all that were called before them, and are waited for.
    for (let i = 0; i < 3; i++) tasks.hitLater(o, 'y')
    const [seen, before] = [tasks.hitsOf(o, 'y'), tasks.hitOnce(o, 'y')]
    tasks.hitLater(o, 'y')
    assert.deepEqual([await seen, await before], [3n, 3n])
    await barrier()
    assert.equal((await o.rows.get({ name: 'y' }))?.hits, 4n)
  }),

  law('C45', 'a location on a host that the runtime does not know is ignored', async (ctx) => {
    const store = await ctx.wrapped((backend) => new ElsewhereBackend(backend))
    await store.run(async () => {
      const o = await counter(5)
      assert.equal(await tasks.readN(o), 5)
      assert.equal(await tasks.addN(o, 1), 6)
    })
  }),

  law('C47', 'a task that persists an alias, fails and runs again leaves one object with the second run’s content', async (ctx) => {
    const alias = ctx.alias('retried')
    await withMarker((marker) => Promise.resolve(tasks.persistOnceFailing(alias, marker)))
    await ctx.other(async () => {
      const o = await Item.getByAlias(alias)
      assert.equal(o.text, 'second')
      assert.deepEqual(await o.aliases(), [alias])
    })
  }),

  law('C49', 'a reader submitted before a writer never sees the writer’s changes', versionRules),

  law('C50', 'a task that throws stores nothing of what it changed', async (ctx) => {
    const [o, rows, alias] = [await counter(1), await new Counts().makePersistent(), ctx.alias('never')]
    assert.equal(original(await thrown(() => tasks.changeAndFail(o))).message, 'after the change')
    assert.ok(original(await thrown(() => tasks.changeRowsAndFail(rows, alias))) instanceof RangeError)
    await ctx.other(async () => {
      assert.equal((await Counter.getByID(o.getID()!)).n, 1)
      assert.equal(await (await Counts.getByID(rows.getID()!)).counts.count(), 0)
      await refused(NotFoundError, () => Item.getByAlias(alias))
    })
    assert.equal(await tasks.addN(o, 1), 2)
  }),

  law('C51', 'a change in place in an INOUT task is stored', async (ctx) => {
    const o = await new Item().makePersistent()
    for (let i = 0; i < 5; i++) tasks.pushTo(o, i)
    await barrier()
    assert.deepEqual(o.list, [0, 1, 2, 3, 4], 'and the clean instance is brought up to date')
    assert.deepEqual((await ctx.other(() => Item.getByID(o.getID()!))).list, [0, 1, 2, 3, 4])
  }),

  law('C53', 'an object persisted between two task calls keeps their order', async (ctx) => {
    const o = new Item()
    tasks.pushTo(o, 1)
    const back = await waitOn(o)
    await back.makePersistent()
    tasks.pushTo(back, 2)
    await barrier()
    assert.deepEqual((await ctx.other(() => Item.getByID(back.getID()!))).list, [1, 2])
    const other = new Item()
    tasks.pushTo(other, 1)
    await other.makePersistent()
    tasks.pushTo(other, 2)
    assert.equal(await waitOn(other), other, 'what it was before is another value')
    assert.deepEqual((await ctx.other(() => Item.getByID(other.getID()!))).list, [2])
  }),

  law('C54', 'tasks that run in the main program follow the same version rules', async (ctx) => {
    const store = await ctx.wrapped((backend) => new SharedBackend(backend))
    await store.run(versionRules)
  }),

  law('C55', 'a retried task starts from the original contents', async (ctx) => {
    const o = await counter(1)
    assert.equal(await withMarker((marker) => Promise.resolve(tasks.addOnceFailing(o, marker))), 2)
    assert.equal(await stored(ctx, o), 2)
  }),

  law('D15', 'a method executed as a task on a persistent object is visible to the program', async (ctx) => {
    const o = await counter(1)
    assert.equal(await getResult(executeTask(o, 'increment', 5)), 6)
    assert.equal(await executeTask(o, 'doubled'), 12)
    assert.equal(await stored(ctx, o), 6)
  }),

  law('D21', 'an error that cannot be sent keeps class and message, and what is thrown need not be an error', async () => {
    const odd = original(await thrown(() => tasks.failStrangely()))
    assert.ok(odd instanceof TypeError)
    assert.equal(odd.message, 'odd one')
    const text = await thrown(() => tasks.failWithText())
    assert.match(text instanceof Error ? `${text.message} ${String(text.cause)}` : String(text), /only a text/)
  }),

  law('D47', 'persistent objects nested in lists of arguments and results keep value and persistence', async () => {
    const items = await Promise.all(['a', 'b', 'c'].map((text) => Object.assign(new Item(), { text }).makePersistent()))
    await Promise.all(items.map((o) => o.save()))
    const [a, b, c] = items as [Item, Item, Item]
    assert.deepEqual(await tasks.namesIn([[a, b], [c]]), [['a', 'b'], ['c']])
    const back = await tasks.echo([a, [b]] as const)
    assert.equal(back[0], a)
    assert.equal(back[1][0], b)
  }),

  law('H41', 'rows that a task wrote are seen by a task that depends on it', async () => {
    const o = await new Counts().makePersistent()
    for (let i = 0; i < 5; i++) tasks.putRow(o, `w${i}`, i)
    assert.equal(await tasks.countRows(o), 5)
  }),

  law('I86', 'the parts of a collection go to a task each, and together they are the whole', async () => {
    const o = new Counts()
    for (let i = 1; i <= 500; i++) o.counts.set({ word: `w${i}` }, { n: i })
    await o.makePersistent()
    const parts = await o.counts.split(4)
    const sums = await Promise.all(parts.map((part) => tasks.sumOfRows(part)))
    assert.equal(
      sums.reduce((a, b) => a + b, 0n),
      125_250n,
    )
    assert.equal(await tasks.sumOfRows(o.counts), 125_250n)
  }),

  law('I70', 'futures are arguments, also inside arrays, and chains of them give the right value', async () => {
    const three = tasks.addUp([tasks.square(1), 2])
    assert.equal(await tasks.addUp([three, tasks.square(three), Promise.resolve(1)]), 13)
    let chain = tasks.square(1)
    for (let i = 0; i < 20; i++) chain = tasks.addUp([chain, 1])
    assert.equal(await chain, 21)
  }),

  law('I71', 'two hundred independent tasks all give their own result', async () => {
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => tasks.square(i)))
    assert.deepEqual(
      results,
      Array.from({ length: 200 }, (_, i) => i * i),
    )
  }),

  law('I72', 'an error of a task arrives with class, message, code, cause and its fields', async () => {
    const error = original(await thrown(() => tasks.fail('own message')))
    assert.ok(error instanceof RangeError)
    assert.deepEqual([error.message, error.code, error.detail], ['own message', 'E_OWN', 7])
    assert.ok(error.cause instanceof TypeError)
    assert.equal(error.cause.message, 'the cause')
    const typed = original(await thrown(() => tasks.failTyped()))
    assert.ok(typed instanceof UnavailableError)
    assert.deepEqual([typed.code, typed.retryable], ['ERR_UNAVAILABLE', true])
  }),

  law('I73', 'what depends on a failed task fails and names it, and others go on', async () => {
    const bad = tasks.fail('the first')
    const after = tasks.echo(bad)
    const error = await thrown(() => after)
    assert.ok(error instanceof Error)
    assert.equal(original(error).message.includes('the first') || String(error.cause).includes('the first'), true, String(error))
    await thrown(() => bad)
    assert.equal(await tasks.square(3), 9)
  }),

  law('I74', 'failures that nobody awaited reject the next barrier, once', async () => {
    const before = stats()
    void tasks.fail('one')
    void tasks.fail('two')
    void tasks.lengthOf([])
    const error = await thrown(() => barrier())
    const [{ tasks: calls, done, failed, pending }, was] = [stats(), before]
    assert.deepEqual([calls - was.tasks, done - was.done, failed - was.failed, pending], [3, 1, 2, 0])
    assert.ok(error instanceof AggregateError, String(error))
    assert.deepEqual(error.errors.map((e) => original(e).message).sort(), ['one', 'two'])
    await barrier()
  }),

  law('I75', 'an object with unsaved changes is refused as an argument, and passed once saved', async (ctx) => {
    const o = await counter(1)
    o.n = 5
    const error = await refused(UnsavedChangesError, () => tasks.readN(o))
    assert.match(error.message, /save/)
    await o.save()
    assert.equal(await tasks.addN(o, 1), 6)
    assert.equal(await stored(ctx, o), 6)
  }),

  law('I76', 'a task that changes an IN argument fails, and the change is not stored', async (ctx) => {
    const o = await counter(1)
    const error = original(await thrown(() => tasks.changeIn(o)))
    assert.ok(error instanceof WrongDirectionError, String(error))
    assert.equal(await stored(ctx, o), 1)
    const rows = await new Counts().makePersistent()
    const refusal = original(await thrown(() => tasks.changeRowsIn(rows)))
    assert.ok(refusal instanceof WrongDirectionError, String(refusal))
    assert.equal(await ctx.other(async () => (await Counts.getByID(rows.getID()!)).counts.count()), 0)
    const list = [1]
    const told = original(await thrown(() => tasks.appendIn(list)))
    assert.ok(told instanceof WrongDirectionError, String(told))
    assert.deepEqual(list, [1])
  }),

  law('I77', 'a task that is not exported is refused', async () => {
    const error = original(await thrown(() => tasks.callHidden()))
    assert.ok(error instanceof InsituError, String(error))
    assert.match(error.message, /export/)
  }),

  law('I78', 'an OUT argument is written without its old contents mattering, and keeps its id', async (ctx) => {
    const o = await counter(1)
    const id = o.getID()
    tasks.overwriteN(o, 8)
    assert.equal(await tasks.readN(o), 8)
    assert.equal(o.getID(), id)
    assert.equal(await stored(ctx, o), 8)
  }),

  law('I79', 'volatile values are taken at the call: later changes do not reach the task', async () => {
    const list = [1, 2, 3]
    const sum = tasks.addUp(list)
    list.push(100)
    assert.equal(await sum, 6)
  }),

  law('I80', 'a volatile value written by tasks is renamed: earlier readers see what was, later ones what is', async () => {
    const list: number[] = []
    const before = tasks.lengthOf(list)
    for (let i = 0; i < 3; i++) tasks.appendTo(list, i)
    const after = tasks.lengthOf(list)
    assert.deepEqual([await before, await after], [0, 3])
    assert.deepEqual(await waitOn(list), [0, 1, 2])
  }),

  law('I81', 'fifty increments by tasks of one object end at fifty, each with its own number', async (ctx) => {
    const o = await counter(0)
    const results = await Promise.all(Array.from({ length: 50 }, () => tasks.addN(o, 1)))
    assert.deepEqual(
      results,
      Array.from({ length: 50 }, (_, i) => i + 1),
    )
    assert.equal(await stored(ctx, o), 50)
  }),

  law('I82', 'a task and another program that change one object lose no change', async (ctx) => {
    const o = await counter(0)
    const others = ctx.other(async () => {
      const mine = await Counter.getByID(o.getID()!)
      for (let i = 0; i < 20; i++)
        await update(mine, (c) => {
          c.n += 1
        })
    })
    await Promise.all([others, ...Array.from({ length: 20 }, () => tasks.addN(o, 1))])
    assert.equal(await stored(ctx, o), 40)
  }),

  law('I83', 'values of every kind pass through a task unchanged', async () => {
    const shared = { n: 1 }
    const value = {
      big: 2n ** 70n,
      map: new Map([[1, new Set(['a'])]]),
      date: new Date(5),
      grid: new Float64Array([1.5]),
      none: undefined,
      zero: -0,
      shared,
      again: shared,
    }
    const back = await tasks.echo(value)
    assert.deepStrictEqual(back, value)
    assert.equal(back.shared, back.again)
  }),

  law('I84', 'a handle is passed to a task without being loaded', async (ctx) => {
    const p = await Object.assign(new Person(), { dog: Object.assign(new Dog(), { name: 'Rex' }) }).makePersistent()
    assert.equal(await tasks.dogIsLoaded(p), 'Rex')
    const q = await Object.assign(new Person(), { name: 'q', friends: [p] }).makePersistent()
    const store = await ctx.program()
    await store.run(async () => {
      const [friend] = (await Person.getByID(q.getID()!)).friends
      assert.equal(await tasks.dogIsLoaded(friend!), 'Rex')
      await loadAll([friend!])
    })
  }),

  law('I85', 'a dirty instance whose object a task changed is a conflict at the barrier', async () => {
    const o = await counter(1)
    tasks.addN(o, 1)
    o.n = 50
    const error = await thrown(() => barrier())
    const conflict = error instanceof AggregateError ? error.errors[0] : error
    assert.ok(conflict instanceof ConflictError, String(error))
    assert.equal(o.n, 50)
    await o.reload({ discard: true })
    assert.equal(o.n, 2)
  }),

  law(
    'I87',
    'a call that waits for a promise of the program keeps its place before later calls on the same object or value',
    async (ctx) => {
      const [o, list] = [await counter(1), [1]]
      const soon = (x: number): Promise<number> => new Promise((resolve) => setTimeout(resolve, 20, x))
      const before = tasks.readN(o)
      tasks.addN(o, soon(10))
      tasks.appendTo(list, soon(2))
      const [after, length] = [tasks.readN(o), tasks.lengthOf(list)]
      tasks.addN(o, 100)
      assert.deepEqual([await before, await after, await length], [1, 11, 2])
      await barrier()
      assert.equal(await stored(ctx, o), 111)
    },
  ),

  law('I88', 'where that promise rejects the call fails with the same, and what stands behind it is not run', async (ctx) => {
    const o = await counter(1)
    const outside = new RangeError('outside')
    const bad = tasks.addN(o, Promise.reject(outside))
    const behind = tasks.addN(o, 100)
    const error = await thrown(() => behind)
    assert.ok(error instanceof TaskFailedError, String(error))
    assert.equal(error.cause, outside)
    assert.equal(await thrown(() => bad), outside)
    assert.equal(await tasks.addN(o, 1), 2)
    assert.equal(await stored(ctx, o), 2)
  }),
]
