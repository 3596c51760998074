import { expect } from 'chai'
import { CONFLICTS_MAX, IllegalTransition, LOSSES_MAX, Status } from '../../runtime/scheduler/index.js'
import { setStatus } from '../../runtime/scheduler/state.js'
import { Scenario } from './scenario.js'

const oneHost = (slots = 8): Scenario => new Scenario().join(`w0 h0 ${slots}`)
const seen = (s: Scenario, task: string): Scenario => s.step({ on: 'FailuresSeen', tasks: [s.task(task)] })
const cancelled = (s: Scenario, task: string): Scenario => s.step({ on: 'TasksCancelled', tasks: [s.task(task)] })

describe('scheduler: failure', () => {
  it('CANCEL_SUCCESSORS cancels transitively, with the task where it began', () => {
    oneHost()
      .kept('x y z')
      .submit({ a: { writes: 'x' }, b: { reads: 'x', writes: 'y' }, c: { reads: 'y' }, other: { writes: 'z' } })
      .sent('w0 starts a other')
      .fail('w0', 'a')
      .sent(
        'failed: a by a, its body failed',
        'cancelled: b by a, a predecessor did not succeed',
        'cancelled: c by a, a predecessor did not succeed',
      )
      .finish('w0', 'other')
      .sent('done: other')
  })

  it('a writer that waited for a reader runs though the reader failed: it did not build on it', () => {
    oneHost()
      .kept('x')
      .submit({ r: { reads: 'x' }, w: { writes: 'x' } })
      .fail('w0', 'r')
      .sent('failed: r by r, its body failed', 'w0 starts w')
  })

  it('neighbours in a CONCURRENT or COMMUTATIVE run go on when one fails; what comes behind is cancelled', () => {
    for (const mode of ['concurrent', 'commutative'] as const) {
      const s = oneHost()
        .kept('x')
        .submit({ a: { [mode]: 'x' }, b: { [mode]: 'x' }, r: { reads: 'x' } })
      s.fail('w0', 'a')
      s.submit({ c: { [mode]: 'x' } }).sent('cancelled: c by a, a predecessor did not succeed')
      s.finish('w0', 'b').sent('done: b')
    }
  })

  it('a neighbour submitted after the failure goes on like one submitted before', () => {
    const s = oneHost()
      .kept('x')
      .submit({ a: { concurrent: 'x' } })
    s.fail('w0', 'a')
      .submit({ b: { concurrent: 'x' } })
      .sent('w0 starts b')
    s.submit({ r: { reads: 'x' } }).sent('cancelled: r by a, a predecessor did not succeed')
    s.submit({ c: { concurrent: 'x' } }).sent('cancelled: c by a, a predecessor did not succeed')
  })

  it('a task submitted after the failure is cancelled like one before, until the program has seen the failure', () => {
    const s = oneHost()
      .kept('x')
      .submit({ a: { writes: 'x' } })
      .fail('w0', 'a')
    s.submit({ b: { reads: 'x' } }).sent('cancelled: b by a, a predecessor did not succeed')
    seen(s, 'b')
      .submit({ c: { reads: 'x' } })
      .sent('w0 starts c')
  })

  it('a value that was never made stays missing, seen or not', () => {
    const s = oneHost()
      .renamed('v', 1)
      .submit({ a: { writes: 'v' } })
      .fail('w0', 'a')
    seen(s, 'a')
      .submit({ b: { reads: 'v' } })
      .sent('cancelled: b by a, a predecessor did not succeed')
  })

  it('an object that two tasks failed to write is clean only when both failures were seen', () => {
    const s = oneHost()
      .kept('x')
      .submit({ a: { concurrent: 'x' }, b: { concurrent: 'x' } })
      .fail('w0', 'a')
      .fail('w0', 'b')
    seen(s, 'a')
      .submit({ c: { reads: 'x' } })
      .sent('cancelled: c by b, a predecessor did not succeed')
    seen(s, 'b')
      .submit({ d: { reads: 'x' } })
      .sent('w0 starts d')
  })

  it('a neighbour of a task that failed goes on once the failure of the writer before them was seen, whichever failed first', () => {
    const s = oneHost()
      .kept('x')
      .submit({ w: { writes: 'x' }, a: { concurrent: 'x' } })
    cancelled(s, 'a')
      .fail('w0', 'w')
      .submit({ b: { concurrent: 'x' } })
      .sent('cancelled: b by w, a predecessor did not succeed')
    seen(s, 'w')
      .submit({ c: { concurrent: 'x' } })
      .sent('w0 starts c')
    s.submit({ r: { reads: 'x' } }).sent('cancelled: r by a, a predecessor did not succeed')
  })

  it('a task is no neighbour of those before a reader that was cancelled, whether they fail before it is submitted or after', () => {
    for (const isLate of [false, true]) {
      const s = oneHost()
        .kept('x')
        .submit({ a: { concurrent: 'x' }, b: { concurrent: 'x' }, r: { reads: 'x' } })
        .fail('w0', 'b')
      seen(s, 'b')
      if (!isLate) s.fail('w0', 'a')
      s.submit({ c: { concurrent: 'x' } })
      if (isLate) s.fail('w0', 'a').sent('failed: a by a, its body failed', 'cancelled: c by a, a predecessor did not succeed')
      else s.sent('cancelled: c by a, a predecessor did not succeed')
    }
  })

  it('RETRY runs twice more, then cancels successors; not for errors that cannot change', () => {
    const s = oneHost()
      .kept('x')
      .submit({ a: { writes: 'x', policy: 'RETRY' }, b: { reads: 'x' }, c: { policy: 'RETRY' } })
    s.fail('w0', 'a').sent('w0 starts a').fail('w0', 'a').sent('w0 starts a')
    s.fail('w0', 'a').sent('failed: a by a, its body failed', 'cancelled: b by a, a predecessor did not succeed')
    s.fail('w0', 'c', false).sent('failed: c by c, its body failed')
  })

  it('IGNORE settles as ignored and successors run', () => {
    oneHost()
      .kept('x')
      .submit({ a: { writes: 'x', policy: 'IGNORE' }, b: { reads: 'x' } })
      .fail('w0', 'a')
      .sent('ignored: a', 'w0 starts b')
  })

  it('FAIL cancels what has not begun, asks to stop what runs, and cancels what comes until it was seen', () => {
    const s = oneHost(2)
      .submit({ a: { policy: 'FAIL' }, runs: {}, waits: {} })
      .sent('w0 starts a runs')
    s.fail('w0', 'a').sent('failed: a by a, its body failed', 'cancelled: waits by a, the run was stopped', 'w0 stops runs')
    s.submit({ later: {} }).sent('cancelled: later by a, the run was stopped')
    s.giveBack('w0', 'runs').sent('cancelled: runs by a, the run was stopped')
    seen(s, 'a').submit({ again: {} }).sent('w0 starts again')
  })

  it('a task asked to stop that succeeds first is done, and so its successors run', () => {
    const s = oneHost()
      .kept('x')
      .submit({ a: { writes: 'x' }, b: { reads: 'x' } })
    cancelled(s, 'a').sent('w0 stops a')
    expect(s.why('a')).to.contain('was asked to stop')
    s.finish('w0', 'a').sent('done: a', 'w0 starts b')
  })

  it('a task asked to stop that fails or conflicts is cancelled and not tried again', () => {
    const s = oneHost().submit({ a: { policy: 'RETRY' }, b: {} })
    cancelled(s, 'a').fail('w0', 'a').sent('cancelled: a by a, cancelled on request')
    cancelled(s, 'b').conflict('w0', 'b').sent('cancelled: b by b, cancelled on request')
  })

  it('a waiting task that is cancelled takes its successors along and lets the others pass', () => {
    const s = oneHost()
      .kept('x y')
      .submit({ a: { reads: 'x' }, b: { writes: 'x y' }, c: { reads: 'y' }, d: { commutative: 'y' } })
      .sent('w0 starts a')
    cancelled(s, 'b')
    s.sent(...['b', 'c', 'd'].map((t) => `cancelled: ${t} by b, ${t === 'b' ? 'cancelled on request' : 'a predecessor did not succeed'}`))
    seen(s, 'b')
      .submit({ e: { writes: 'x' }, f: { writes: 'y' } })
      .sent('w0 starts f')
    s.finish('w0', 'a').sent('done: a', 'w0 starts e')
  })

  it('a conflict runs again at once, up to the limit, whatever the policy', () => {
    const s = oneHost().submit({ a: {} })
    for (let i = 0; i < CONFLICTS_MAX; i++) s.conflict('w0', 'a').sent('w0 starts a')
    s.conflict('w0', 'a').sent('failed: a by a, too many conflicts')
  })

  it('an input that fails fails the task, with its successors', () => {
    const s = oneHost()
      .renamed('v', 1)
      .submit({ a: { promises: 2, writes: 'v' }, b: { reads: 'v' } })
      .sent()
    s.step({ on: 'InputsFailed', tasks: [s.task('a')] })
    s.sent('failed: a by a, an input from outside failed', 'cancelled: b by a, a predecessor did not succeed')
    s.step({ on: 'InputsArrived', tasks: [s.task('a')] }).sent()
  })

  it('tasks of a lost worker run elsewhere; a late report of it changes nothing', () => {
    const s = new Scenario().join('w0 h0', 'w1 h0').submit({ a: {} }).sent('w0 starts a')
    const late = s.report('w0', 'a')
    s.lose('w0').sent('w1 starts a', 'replace w0')
    s.step({ on: 'TasksFinished', ...late }).sent()
    s.step({ on: 'TasksFailed', retryable: true, ...late }).sent()
    s.finish('w1', 'a').sent('done: a').finish('w1', 'a').sent()
    expect(s.state.totals.stale).to.equal(3)
  })

  it('a report of an earlier attempt on the same worker is ignored', () => {
    const s = oneHost()
      .submit({ a: { policy: 'RETRY' } })
      .fail('w0', 'a')
      .sent('w0 starts a')
    s.step({ on: 'TasksFinished', ...s.report('w0', 'a', 1) }).sent()
    s.finish('w0', 'a').sent('done: a')
  })

  it('a task that loses its worker too often is taken for the reason', () => {
    const s = oneHost().submit({ a: {} })
    for (let i = 1; i < LOSSES_MAX; i++) s.lose('w0').sent('replace w0').join('w0 h0').sent('w0 starts a')
    s.lose('w0').sent('failed: a by a, worker lost', 'replace w0')
  })

  it('and not for the reason if each worker was ended because of another task', () => {
    const s = oneHost().submit({ a: {} })
    for (let i = 0; i <= LOSSES_MAX; i++) {
      s.step({ on: 'WorkersLost', workers: [0], isMeant: true }).sent('replace w0')
      s.join('w0 h0').sent('w0 starts a')
    }
    s.finish('w0', 'a').sent('done: a')
  })

  it('tasks that were queued on a lost worker run one to a slot from then on, so that the culprit is found', () => {
    const s = new Scenario().join('w0 h0').submit({ warm: {} }).finish('w0', 'warm', 1)
    s.submit({ bad: {}, b: {}, c: {} }).sent('w0 starts bad b c')
    s.lose('w0').join('w0 h0').sent('w0 starts bad').lose('w0').join('w0 h0').sent('w0 starts b')
    s.finish('w0', 'b', 1).finish('w0', 'c', 1).sent('done: c', 'w0 starts bad')
    s.lose('w0').sent('failed: bad by bad, worker lost', 'replace w0')
  })

  it('both workers of a batch are gone before their tasks are placed', () => {
    new Scenario().join('w0 h0', 'w1 h0', 'w2 h0').submit({ a: {}, b: {} }).lose('w0', 'w1').sent('w2 starts a', 'replace w0 w1')
  })

  it('an impossible event throws with the story of the task', () => {
    const s = oneHost().submit({ a: {} }).finish('w0', 'a')
    expect(() => s.step({ on: 'TasksSubmitted', first: 0, count: 1, fn: [0], accesses: [] })).to.throw(
      IllegalTransition,
      /void → waiting \(TasksSubmitted\)[\s\S]*assigned → done \(TasksFinished\)/,
    )
    expect(() => setStatus(s.state, s.task('a'), Status.READY)).to.throw(
      IllegalTransition,
      /a task cannot go from done to ready[\s\S]*assigned → done \(TasksFinished\)/,
    )
  })

  it('a task whose input was lost waits until it has been made again', () => {
    const s = new Scenario().join('w0 h0', 'w1 h1').renamed('x again', 1)
    s.submit({ make: { writes: 'x' } }).finish('w0', 'make')
    s.submit({ use: { reads: 'x' } }).sent('w0 starts use')
    s.submit({ remake: { writes: 'again' } }).sent('w1 starts remake')
    s.lostInput('w0', 'use', 'again').sent()
    expect(s.why('use')).to.equal('use waits for again (remake is on w1).')
    s.finish('w1', 'remake').sent('done: remake', 'w0 starts use')
    s.finish('w0', 'use').sent('done: use')
  })

  it('it is cancelled if its input cannot be made again, and starts at once if it has been', () => {
    const s = new Scenario().join('w0 h0 2', 'w1 h1').renamed('x again third', 1)
    s.submit({ make: { writes: 'x' } }).finish('w0', 'make')
    s.submit({ use: { reads: 'x' }, useToo: { reads: 'x' }, last: { reads: 'x' } }).sent('w0 starts use useToo', 'w1 starts last')
    s.submit({ remake: { writes: 'again' } }).sent()
    s.lostInput('w0', 'use', 'again').sent('w0 starts remake')
    s.fail('w0', 'remake', false)
    s.sent('failed: remake by remake, its body failed', 'cancelled: use by remake, a predecessor did not succeed')
    s.lostInput('w0', 'useToo', 'again').sent('cancelled: useToo by remake, a predecessor did not succeed')
    s.submit({ third: { writes: 'third' } }).sent('w0 starts third')
    s.finish('w0', 'third').sent('done: third')
    s.lostInput('w1', 'last', 'third').sent('w0 starts last')
  })

  describe('when an attempt was given up that may have committed', () => {
    const sealing = (slots = 8): Scenario => new Scenario({ seals: true }).kept('x').join(`w0 h0 ${slots}`, 'w1 h0')
    const sealed = (s: Scenario, ...tasks: string[]): Scenario => s.step({ on: 'TasksSealed', tasks: tasks.map((t) => s.task(t)) })

    it('a task fails only once its mark is barred, and those behind it wait until then', () => {
      const s = sealing().submit({ a: { writes: 'x' }, b: { reads: 'x' } })
      s.sent('w0 starts a').lose('w0').sent('w1 starts a', 'replace w0')
      s.fail('w1', 'a', false).sent('seal a')
      expect(s.why('a')).to.equal('a is given up (its body failed) and settles when no attempt of it can commit any more.')
      expect(s.why('b')).to.equal('b waits for x (a is ending).')
      s.step({ on: 'TasksCancelled', tasks: [s.task('a')] }).sent()
      sealed(s, 'a').sent('failed: a by a, its body failed', 'cancelled: b by a, a predecessor did not succeed')
      sealed(s, 'a').sent()
    })

    it('a task that turns out to have committed is done, and those behind it run', () => {
      const s = sealing().submit({ a: { writes: 'x' }, b: { reads: 'x' } })
      s.lose('w0').fail('w1', 'a', false).sent('seal a')
      s.step({ on: 'TasksCommitted', tasks: [s.task('a')] }).sent('done: a', 'w1 starts b')
      s.step({ on: 'TasksCommitted', tasks: [s.task('a')] }).sent()
    })

    it('the same goes for a task that is cancelled, ignored, out of time, or stopped with the run', () => {
      const s = sealing(1).submit({ a: {}, i: { policy: 'IGNORE' } })
      s.sent('w0 starts a', 'w1 starts i').lose('w0', 'w1').sent('replace w0 w1')
      cancelled(s, 'a').sent('seal a')
      sealed(s, 'a').sent('cancelled: a by a, cancelled on request')
      s.join('w0 h0').sent('w0 starts i').fail('w0', 'i').sent('seal i')
      sealed(s, 'i').sent('ignored: i')
      s.submit({ late: {} })
        .step({ on: 'TasksFailed', retryable: true, isUnsure: true, ...s.report('w0', 'late') })
        .sent('seal late')
      sealed(s, 'late').sent('failed: late by late, its body failed')
      s.submit({ lost: {} })
        .lose('w0')
        .submit({ stop: { policy: 'FAIL', priority: 9 } })
      s.join('w0 h0').fail('w0', 'stop').sent('seal lost', 'failed: stop by stop, its body failed')
    })

    it('of all attempts that told how they ended none can commit: nothing is barred', () => {
      const s = sealing().submit({ a: { policy: 'RETRY' } })
      for (let i = 0; i < 2; i++) s.fail('w0', 'a').sent('w0 starts a')
      s.fail('w0', 'a').sent('failed: a by a, its body failed')
    })

    it('one that waits for a lost input keeps its place until it is barred', () => {
      const s = sealing(1).renamed('v again', 1)
      s.submit({ make: { writes: 'v' } }).finish('w0', 'make')
      s.submit({ use: { reads: 'v', writes: 'x' }, next: { reads: 'x' } }).sent('w0 starts use')
      s.lose('w0').sent('w1 starts use', 'replace w0').join('w0 h0')
      s.submit({ remake: { writes: 'again' } }).sent('w0 starts remake')
      s.lostInput('w1', 'use', 'again').fail('w0', 'remake', false).sent('seal use', 'failed: remake by remake, its body failed')
      sealed(s, 'use').sent(
        'cancelled: use by remake, a predecessor did not succeed',
        'cancelled: next by remake, a predecessor did not succeed',
      )
    })
  })

  it('a late report of a lost input is ignored; a task that is asked to stop stops', () => {
    const s = new Scenario().join('w0 h0', 'w1 h1').renamed('x again', 1)
    s.submit({ make: { writes: 'x' } }).finish('w0', 'make')
    s.submit({ use: { reads: 'x' }, remake: { writes: 'again' } }).sent('w0 starts use', 'w1 starts remake')
    s.step({ on: 'InputsLost', ...s.report('w0', 'use', 7), data: [s.datum('again')] }).sent()
    s.step({ on: 'TasksCancelled', tasks: [s.task('use')] }).sent('w0 stops use')
    s.lostInput('w0', 'use', 'again').sent('cancelled: use by use, cancelled on request')
  })
})
