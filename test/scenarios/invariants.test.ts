import { expect } from 'chai'
import { checkInvariants, Status } from '../../runtime/scheduler/index.js'
import { Scenario } from './scenario.js'

type State = Scenario['state']

/** Three tasks on one datum: the first runs, the second waits for it, the third stands in a queue. */
function running(): State {
  const scenario = new Scenario()
    .join('w0 h0')
    .kept('x')
    .submit({ a: { writes: 'x' }, b: { writes: 'x' }, c: {} })
  return scenario.state
}

/** The test of the tests: what checkInvariants must find after a step that did one thing wrong. */
const mistakes: Readonly<Record<string, readonly [wrong: (state: State) => void, law: RegExp]>> = {
  'loses count of a status': [({ counts }) => counts[Status.WAITING]!--, /count of waiting tasks/],
  'forgets what a task misses': [({ tasks }) => (tasks.missing[1] = 0), /missing = promises \+ accesses/],
  'settles a task and leaves its accesses': [({ tasks }) => (tasks.status[1] = Status.DONE), /settled task has no accesses/],
  'takes a task off its worker and leaves it assigned': [
    ({ workers }) => (workers[0]!.head = -1),
    /tail is its last task|list of exactly one/,
  ],
  'loses a worker and leaves it its tasks': [
    ({ workers }) => (workers[0]!.alive = false),
    /lost worker has no tasks|its workers live there/,
  ],
  'gives a host more slots than its workers have': [({ hosts }) => hosts[0]!.slots++, /sums of its workers/],
  'forgets what a host has to do': [({ hosts }) => (hosts[0]!.assignedUs += 5), /load is the sum/],
  'grants a second writer': [({ accesses, tasks }) => accesses.grant(tasks.access[1]!), /members may run|accesses not granted/],
  'loses a group of a chain': [({ data }) => (data.tail[0] = data.head[0]!), /tail is the last group|group row is lost/],
  'leaves something half done': [({ doomed }) => doomed.push(1), /nothing half done/],
}

describe('the laws of the scheduler’s state', () => {
  it('hold after a step that does all right', () => checkInvariants(running()))

  for (const [mistake, [wrong, law]] of Object.entries(mistakes))
    it(`find a step that ${mistake}`, () => {
      const state = running()
      wrong(state)
      expect(() => checkInvariants(state)).to.throw(law)
    })
})
