/** An option that nobody knows: a program in JavaScript, or one whose options come from elsewhere, is told before anything happens. */
import { expect } from 'chai'
import {
  barrier,
  connect,
  finish,
  group,
  init,
  StorageDict,
  StorageObject,
  StorageStream,
  type Store,
  submitReady,
  t,
  transact,
  update,
  ValidationError,
  waitOn,
  watch,
} from '../../runtime/index.js'

class Log extends StorageObject {
  rows = new StorageDict({ day: t.text, at: t.i32 }, { n: t.i32 })
  events = new StorageStream<number>()
}

/** As a program without types has it. */
const misspelt = (name: string): any => ({ [name]: 1 })

async function refusalOf(call: () => unknown): Promise<Error> {
  try {
    await call()
  } catch (error) {
    return error as Error
  }
  throw new Error('it was not refused')
}

const first = (rows: AsyncIterable<unknown>): Promise<unknown> => rows[Symbol.asyncIterator]().next()

describe('an option that is misspelt', () => {
  let store: Store
  let log: Log
  before(async () => {
    store = await connect('memory:unknown-options')
    log = await new Log().makePersistent('log')
    log.rows.set({ day: 'mon', at: 1 }, { n: 1 })
  })
  after(() => finish())

  const calls: readonly (readonly [name: string, option: string, takes: string, call: () => unknown])[] = [
    ['makePersistent()', 'ifExist', 'ifExists, host', () => new Log().makePersistent('other', misspelt('ifExist'))],
    ['getByAlias()', 'dept', 'depth', () => Log.getByAlias('log', misspelt('dept'))],
    ['getByID()', 'dept', 'depth', () => Log.getByID(log.getID()!, misspelt('dept'))],
    ['reload()', 'discards', 'discard', () => log.reload(misspelt('discards'))],
    ['deletePersistent()', 'deeply', 'deep', () => log.deletePersistent(misspelt('deeply'))],
    ['transact()', 'chek', 'check, retries', () => transact(() => 1, misspelt('chek'))],
    ['watch()', 'timeout', 'signal, timeoutMs', () => first(watch(log, misspelt('timeout')))],
    ['consume()', 'timeout', 'group, consumer, batch, leaseMs, signal, timeoutMs', () => first(log.events.consume(misspelt('timeout')))],
    ['a StorageDict', 'partion', 'partition, order, writes', () => new StorageDict({ a: t.text }, {}, misspelt('partion'))],
    ['range()', 'limt', 'limit, reverse, signal, to, from', () => first(log.rows.range({ day: 'mon' }, misspelt('limt')))],
    [
      'where()',
      'allowFilter',
      'limit, reverse, allowFiltering, scan, signal',
      () => first(log.rows.where({ day: 'mon' }, misspelt('allowFilter'))),
    ],
    ['aggregate()', 'prefx', 'prefix, signal, to, from', () => log.rows.aggregate({ n: 'count' }, misspelt('prefx'))],
    ['groupBy()', 'limit', 'prefix, signal, to, from', () => first(log.rows.groupBy(['day'], { n: 'count' }, misspelt('limit')))],
    ['bulk()', 'sgnal', 'signal', () => log.rows.bulk([], misspelt('sgnal'))],
    ['connect()', 'acks', 'ack, patienceMs, leaseMs, classes, direct', () => connect('memory:unknown-options', misspelt('acks'))],
    ['init()', 'worker', 'workers, isolation', () => init(misspelt('worker'))],
    ['barrier()', 'timeout', 'priority, timeoutMs, signal, needs', () => barrier(misspelt('timeout'))],
    ['waitOn()', 'timeout', 'priority, timeoutMs, signal, needs', () => waitOn(1, misspelt('timeout'))],
    ['group()', 'timeout', 'priority, timeoutMs, signal, needs', () => group(() => 1, misspelt('timeout'))],
    ['submitReady()', 'max', 'limit, priority, timeoutMs, signal, needs', () => submitReady(misspelt('max'))],
  ]
  for (const [name, option, takes, call] of calls)
    it(`is refused by ${name}, which says what it takes`, async () => {
      const error = await refusalOf(call)
      expect(error).to.be.instanceOf(ValidationError).with.property('code', 'ERR_CALL_OPTION')
      expect(error.message).to.equal(`${name} has no option ${option}: it takes ${takes}`)
    })

  it('leaves all as it was: nothing was stored, deleted or run', async () => {
    let ran = 0
    for (const call of [() => transact(() => void ran++, misspelt('chek')), () => group(() => void ran++, misspelt('timeout'))])
      await refusalOf(call)
    expect(ran).to.equal(0)
    expect(await store.find([{ alias: 'other' }])).to.deep.equal([undefined])
    expect(await Log.getByAlias('log')).to.equal(log)
  })

  it('a function that is missing is a TypeError that shows how it is given', async () => {
    expect(String(await refusalOf(() => transact(undefined as never)))).to.equal(
      'TypeError: transact(async () => { … }) takes a function, got undefined',
    )
    expect(String(await refusalOf(() => update(log, undefined as never)))).to.equal(
      'TypeError: update(object, (object) => { … }) takes a function, got undefined',
    )
  })

  it('options that are no object are a TypeError', async () => {
    expect(String(await refusalOf(() => new Log().makePersistent('other', 'open' as never)))).to.equal(
      'TypeError: makePersistent() takes its options as an object, not open',
    )
  })
})
