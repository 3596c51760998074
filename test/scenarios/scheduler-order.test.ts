import { expect } from 'chai'
import { dump, explain } from '../../runtime/scheduler/index.js'
import { Scenario } from './scenario.js'

const oneHost = (slots = 8): Scenario => new Scenario().join(`w0 h0 ${slots}`)

describe('scheduler: order', () => {
  it('a task without obstacles starts in the step that submits it', () => {
    oneHost().submit({ a: {}, b: {} }).sent('w0 starts a b').finish('w0', 'a b').sent('done: a b')
  })

  it('a reader waits for the writer before it', () => {
    oneHost()
      .kept('x')
      .submit({ write: { writes: 'x' }, read: { reads: 'x' } })
      .sent('w0 starts write')
      .finish('w0', 'write')
      .sent('done: write', 'w0 starts read')
  })

  it('a writer of kept data waits for all readers before it', () => {
    oneHost()
      .kept('x')
      .submit({ r1: { reads: 'x' }, r2: { reads: 'x' }, w: { writes: 'x' } })
      .sent('w0 starts r1 r2')
      .finish('w0', 'r2')
      .sent('done: r2')
      .finish('w0', 'r1')
      .sent('done: r1', 'w0 starts w')
  })

  it('a reader behind a waiting writer does not overtake it', () => {
    oneHost()
      .kept('x')
      .submit({ r1: { reads: 'x' }, w: { writes: 'x' }, r2: { reads: 'x' } })
      .sent('w0 starts r1')
      .finish('w0', 'r1')
      .sent('done: r1', 'w0 starts w')
      .finish('w0', 'w')
      .sent('done: w', 'w0 starts r2')
  })

  it('a new version of a renamed datum is another datum: its writer does not wait for readers of the old one', () => {
    oneHost()
      .renamed('v1 v2', 1)
      .submit({ make: { writes: 'v1' }, read: { reads: 'v1' }, change: { reads: 'v1', writes: 'v2' } })
      .sent('w0 starts make')
      .finish('w0', 'make')
      .sent('done: make', 'w0 starts read change')
  })

  it('CONCURRENT tasks run together, behind earlier readers and before later ones', () => {
    oneHost()
      .kept('x')
      .submit({ r1: { reads: 'x' }, c1: { concurrent: 'x' }, c2: { concurrent: 'x' }, r2: { reads: 'x' } })
      .sent('w0 starts r1')
      .finish('w0', 'r1')
      .sent('done: r1', 'w0 starts c1 c2')
      .finish('w0', 'c2')
      .sent('done: c2')
      .finish('w0', 'c1')
      .sent('done: c1', 'w0 starts r2')
  })

  it('COMMUTATIVE tasks run one at a time', () => {
    oneHost()
      .kept('x')
      .submit({ c1: { commutative: 'x' }, c2: { commutative: 'x' }, c3: { commutative: 'x' } })
      .sent('w0 starts c1')
      .finish('w0', 'c1')
      .sent('done: c1', 'w0 starts c2')
      .submit({ r: { reads: 'x' } })
      .sent()
      .finish('w0', 'c2')
      .sent('done: c2', 'w0 starts c3')
      .finish('w0', 'c3')
      .sent('done: c3', 'w0 starts r')
  })

  it('COMMUTATIVE tasks take their turns in the order in which they can start', () => {
    const s = new Scenario().join('w0 h0 4').kept('sum slow')
    s.submit({
      part: { writes: 'slow' },
      waits: { commutative: 'sum', reads: 'slow' },
      first: { commutative: 'sum' },
      second: { commutative: 'sum' },
      after: { reads: 'sum' },
    }).sent('w0 starts part first')
    s.finish('w0', 'first').sent('done: first', 'w0 starts second')
    s.finish('w0', 'part').sent('done: part')
    s.finish('w0', 'second').sent('done: second', 'w0 starts waits')
    s.finish('w0', 'waits').sent('done: waits', 'w0 starts after')
  })

  it('tasks of several COMMUTATIVE groups cannot hold what the other lacks', () => {
    const s = new Scenario().join('w0 h0 4').kept('a b x y')
    s.submit({
      holdX: { writes: 'x' },
      holdY: { writes: 'y' },
      one: { commutative: 'a b', reads: 'x' },
      two: { commutative: 'b a', reads: 'y' },
      onlyB: { commutative: 'b' },
    }).sent('w0 starts holdX holdY onlyB')
    s.finish('w0', 'holdY').sent('done: holdY')
    s.finish('w0', 'onlyB').sent('done: onlyB')
    s.finish('w0', 'holdX').sent('done: holdX', 'w0 starts one')
    s.finish('w0', 'one').sent('done: one', 'w0 starts two')
  })

  it('a COMMUTATIVE task that is cancelled passes its turn on', () => {
    const s = new Scenario().join('w0 h0 2').kept('sum slow')
    s.submit({
      part: { writes: 'slow' },
      waits: { commutative: 'sum', reads: 'slow' },
      busy: { commutative: 'sum' },
      next: { commutative: 'sum' },
    })
    s.sent('w0 starts part busy')
    s.fail('w0', 'part', false).sent('failed: part by part, its body failed', 'cancelled: waits by part, a predecessor did not succeed')
    s.finish('w0', 'busy').sent('done: busy', 'w0 starts next')
  })

  it('DELETE of kept data waits for readers; of renamed data it is a read', () => {
    oneHost()
      .kept('x')
      .renamed('v', 1)
      .submit({ r: { reads: 'x' }, d: { deletes: 'x' }, m: { writes: 'v' }, s: { reads: 'v' }, e: { deletes: 'v' } })
      .sent('w0 starts r m')
      .finish('w0', 'm')
      .sent('done: m', 'w0 starts s e')
      .finish('w0', 'r')
      .sent('done: r', 'w0 starts d')
  })

  it('a task that names a datum twice does not wait for itself, and counts as its writer', () => {
    oneHost()
      .kept('x y')
      .submit({ a: { reads: 'x x y', writes: 'x' }, b: { reads: 'x' }, c: { reads: 'y' } })
      .sent('w0 starts a c')
      .finish('w0', 'a')
      .sent('done: a', 'w0 starts b')
  })

  it('a task waits for inputs from outside as for its data', () => {
    const s = oneHost()
      .kept('x')
      .submit({ w: { writes: 'x' }, r: { reads: 'x', promises: 2 } })
      .sent('w0 starts w')
    s.step({ on: 'InputsArrived', tasks: [s.task('r')] })
      .sent()
      .finish('w0', 'w')
      .sent('done: w')
    expect(s.why('r')).to.equal('r waits for a promise of the program.')
    s.step({ on: 'InputsArrived', tasks: [s.task('r')] }).sent('w0 starts r')
  })

  it('what comes with an input from outside is waited for behind all that use it by then', () => {
    const s = oneHost(3)
      .kept('x y')
      .submit({ late: { writes: 'x', promises: 1 }, r: { reads: 'x' }, w: { writes: 'y' } })
      .sent('w0 starts w')
    s.arrives('late', { writes: 'y' }).sent()
    s.submit({ r2: { reads: 'y' } }).sent()
    s.finish('w0', 'w').sent('done: w', 'w0 starts late').finish('w0', 'late').sent('done: late', 'w0 starts r2 r')
  })

  it('and it is used at once if it is free, or has been used by the task before', () => {
    oneHost()
      .kept('x y')
      .submit({ late: { writes: 'x', promises: 2 }, r: { reads: 'x y' } })
      .arrives('late', { writes: 'x' })
      .sent()
      .submit({ c: { commutative: 'y' } })
      .sent()
      .arrives('late')
      .sent('w0 starts late')
  })

  it('an object is used without a place where someone in front of it waits for the task, at whatever distance', () => {
    oneHost(4)
      .kept('x y z')
      .submit({
        late: { writes: 'x', promises: 1 },
        near: { writes: 'x z' },
        far: { reads: 'z', writes: 'y' },
        other: { commutative: 'y' },
      })
      .sent()
      .arrives('late', { writes: 'y' })
      .sent('w0 starts late')
      .finish('w0', 'late')
      .sent('done: late', 'w0 starts near')
      .finish('w0', 'near')
      .sent('done: near', 'w0 starts far')
  })

  it('a value that is still to be made by one that waits for the task never will be', () => {
    const s = oneHost()
      .kept('x')
      .renamed('v u', 1)
      .submit({ late: { writes: 'x', promises: 2 }, r: { reads: 'x', writes: 'v' }, free: { writes: 'u' } })
      .sent('w0 starts free')
    s.arrives('late', { reads: 'u' }).sent()
    s.finish('w0', 'free').sent('done: free')
    s.arrives('late', { reads: 'v' })
    s.sent('failed: late by late, an input from outside failed', 'cancelled: r by late, a predecessor did not succeed')
  })

  it('a failed writer of what comes with an input cancels the task, until it was seen; its other inputs are no news then', () => {
    const s = oneHost(2)
      .kept('x')
      .submit({ w: { writes: 'x' }, a: { promises: 2 }, b: { promises: 1 } })
    s.fail('w0', 'w').sent('failed: w by w, its body failed')
    s.arrives('a', { reads: 'x' }).sent('cancelled: a by w, a predecessor did not succeed').arrives('a', { reads: 'x' }).sent()
    s.step({ on: 'FailuresSeen', tasks: [s.task('w')] })
    s.arrives('b', { reads: 'x' }).sent('w0 starts b')
  })

  it('higher priority starts first, equal priority in the order of submission', () => {
    oneHost(1)
      .submit({ a: {} })
      .sent('w0 starts a')
      .submit({ low: { priority: -3 }, first: {}, second: {}, high: { priority: 99 } })
      .sent()
      .finish('w0', 'a')
      .sent('done: a', 'w0 starts high')
      .finish('w0', 'high')
      .sent('done: high', 'w0 starts first')
      .finish('w0', 'first')
      .sent('done: first', 'w0 starts second')
      .finish('w0', 'second')
      .sent('done: second', 'w0 starts low')
  })

  it('a renamed datum goes when nobody reads it and nobody holds it, and not before', () => {
    const s = oneHost()
      .renamed('v', 1)
      .submit({ make: { writes: 'v' }, read: { reads: 'v' } })
    s.finish('w0', 'make').sent('done: make', 'w0 starts read')
    s.step({ on: 'DataReleased', data: [s.datum('v')] })
      .sent()
      .finish('w0', 'read')
      .sent('done: read', 'release v')
  })

  it('a renamed datum that was only held goes when it is let go; a kept one never does', () => {
    const s = oneHost()
      .renamed('v', 2)
      .kept('x', 1)
      .submit({ make: { writes: 'v x' } })
    s.finish('w0', 'make').sent('done: make')
    s.step({ on: 'DataReleased', data: [s.datum('v'), s.datum('x')] }).sent()
    s.step({ on: 'DataHeld', data: [s.datum('v')] })
      .step({ on: 'DataReleased', data: [s.datum('v')] })
      .sent()
    s.step({ on: 'DataReleased', data: [s.datum('v')] }).sent('release v')
  })

  it('explains what a task waits for, and who is in front', () => {
    const s = oneHost()
      .kept('x y')
      .submit({ r1: { reads: 'x' }, r2: { reads: 'x' }, w: { writes: 'x y' }, late: { reads: 'y' } })
    expect(s.why('w')).to.equal('w waits for x (r1 is on w0, r2 is on w0).')
    expect(s.why('late')).to.equal('late waits for y (w is waiting).')
  })

  it('tells the story of a task, whatever has become of it', () => {
    const s = oneHost().submit({ a: { policy: 'RETRY' } })
    s.fail('w0', 'a').finish('w0', 'a')
    const changes = explain(s.state, s.task('a'))
      .split('\n')
      .slice(1)
      .map((line) => line.replace(/^.*: /, ''))
    expect(changes).to.deep.equal([
      'void → waiting (TasksSubmitted)',
      'waiting → ready (TasksSubmitted)',
      'ready → assigned (placement)',
      'assigned → ready (TasksFailed)',
      'ready → assigned (placement)',
      'assigned → done (TasksFinished)',
    ])
  })

  it('dump shows workers, what is in front of whom at each datum, and all tasks that are not over', () => {
    const s = oneHost()
      .kept('x')
      .submit({ over: {}, r1: { reads: 'x' }, r2: { reads: 'x' }, w: { writes: 'x' } })
      .finish('w0', 'over')
    const lines = dump(s.state).split('\n')
    expect(lines[1]).to.include('tasks 4, waiting 1').and.to.include('assigned 2, done 1')
    expect(lines.find((line) => line.startsWith('worker 0 of host 0'))).to.include('2 assigned, 8 slots')
    expect(lines.find((line) => line.startsWith(`datum ${s.datum('x')}:`))).to.include('READ×2 → WRITE×1')
    const told = lines.filter((line) => line.startsWith('task '))
    expect(told.map((line) => line.split(' ').slice(0, 3).join(' '))).to.deep.equal(['task 1 runs', 'task 2 runs', 'task 3 waits'])
  })
})
