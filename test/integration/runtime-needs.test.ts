import { expect } from 'chai'
import { CannotPlaceError, connect, finish, init, task, transact, ValidationError } from '../../runtime/index.js'
import * as t from './needs-tasks.js'
import { thrown } from './thrown.js'

type Span = readonly [number, number]
const overlap = (a: Span, b: Span): boolean => a[0] < b[1] && b[0] < a[1]
const pairs = (spans: readonly Span[]): [Span, Span][] => spans.flatMap((a, i) => spans.slice(i + 1).map((b): [Span, Span] => [a, b]))

describe('what tasks need of their host', function () {
  this.timeout(60_000)
  const settings = { INSITU_WORKERS: '2', INSITU_MEMORY_MB: '1000', INSITU_LABELS: 'lab,disk' }

  before(async () => {
    Object.assign(process.env, settings)
    await connect('memory:')
  })
  after(async () => {
    for (const name of Object.keys(settings)) delete process.env[name]
    await finish()
  })

  it('a task of two units runs alone on two workers, and others run beside one another', async () => {
    const spans = await Promise.all([t.narrow(30), t.narrow(30), t.wide(30), t.narrow(30), t.wide(30), t.narrow(30)])
    const wides = [spans[2]!, spans[4]!]
    for (const wide of wides) for (const other of spans) expect(other === wide || !overlap(wide, other)).to.equal(true)
  })

  it('tasks that need more memory together than there is run one after the other', async () => {
    const spans = await Promise.all([t.greedy(25), t.greedy(25), t.greedy(25)])
    for (const [a, b] of pairs(spans)) expect(overlap(a, b)).to.equal(false)
  })

  it('a task runs where its label is', async () => {
    expect(await t.labelled(1)).to.have.length(2)
  })

  it('a call that no host can ever take is refused at once, with the constraint and the best candidate', async () => {
    expect(() => t.tooWide(1)).to.throw(CannotPlaceError, /needs 99 computing units and there are 2 on this host, which comes nearest of 1/)
    const hungry = task.configure(t.narrow, { needs: { memoryMb: 5000 } })
    expect(() => hungry(1)).to.throw(CannotPlaceError, 'needs 5000 MB of memory and there are 1000')
    const elsewhere = task.configure(t.narrow, { needs: { labels: ['gpu'] } })
    const error = await thrown(() => elsewhere(1))
    expect(error).to.have.property('code', 'ERR_CANNOT_PLACE')
    expect(error).to.have.deep.property('best', { host: 'this host', units: 2, memoryMb: 1000, labels: ['lab', 'disk'] })
  })

  it('a task or transaction that calls what no host can take is told so, and of what fits it has the result', async () => {
    const refused = /^ERR_CANNOT_PLACE .*needs the label 'gpu' and there are 'lab', 'disk' on this host/
    expect(await t.callsElsewhere()).to.match(refused)
    expect(await t.callsInPlace(await new t.Tally().makePersistent())).to.match(refused)
    expect(await t.callsWideAndLabelled()).to.equal(2)
    expect(await thrown(() => transact(() => t.labelledElsewhere(1)))).to.be.instanceOf(CannotPlaceError)
  })

  it('needs that mean nothing are refused where they are written', () => {
    for (const needs of [{ units: 0 }, { units: 1.5 }, { memoryMb: -1 }, { memoryMb: Number.NaN }, { labels: [''] }])
      expect(() => task.configure(t.narrow, { needs })).to.throw(ValidationError, 'needs.')
  })
})

describe('what tasks need of their host, with the runtime off', () => {
  const settings = { INSITU_RUNTIME: 'off', INSITU_MEMORY_MB: '1000', INSITU_LABELS: 'lab,disk' }

  before(async () => {
    Object.assign(process.env, settings)
    await connect('memory:')
    await init({ workers: 2 })
  })
  after(async () => {
    for (const name of Object.keys(settings)) delete process.env[name]
    await finish()
  })

  it('what no host could take with the runtime on is refused in the same way', async () => {
    expect(() => t.tooWide(1)).to.throw(CannotPlaceError, /needs 99 computing units and there are 2 on this host/)
    expect(() => t.labelledElsewhere(1)).to.throw(CannotPlaceError, "needs the label 'gpu' and there are 'lab', 'disk'")
    expect(() => task.configure(t.narrow, { needs: { memoryMb: 5000 } })(1)).to.throw(CannotPlaceError, 'there are 1000')
    expect(await t.callsElsewhere()).to.match(/^ERR_CANNOT_PLACE/)
    expect(await t.callsInPlace(await new t.Tally().makePersistent())).to.match(/^ERR_CANNOT_PLACE/)
    expect(await t.callsWideAndLabelled()).to.equal(2)
  })
})
