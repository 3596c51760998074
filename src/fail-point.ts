/**
 * Places where the crash tests kill the process. `INSITU_FAILPOINT=name:n` (several by commas) sends SIGKILL to the own process
 * at the n-th hit of `name`, counted from 1 in each process. When the variable is unset `failPoint` is an empty function, which the
 * engine inlines away.
 */

/** All names, in the order in which a unit of work over several domains passes them. */
export const FAIL_POINTS = [
  'commit-new-stored',
  'commit-reserved',
  'commit-released',
  'commit-decided',
  'commit-rows-applied',
  'commit-redo-dropped',
  'commit-settled',
  'commit-fenced',
  'commit-mark-forgotten',
  'resolve-aborted',
  'resolve-rows-applied',
  'resolve-redo-dropped',
  'resolve-settled',
  'alone-sent',
  'alone-done',
  'together-sent',
  'together-done',
  'outcome-stored',
  'group-staged',
  'group-stepped',
  'part-made',
  'parts-widened',
  'table-dropped',
] as const

export type FailPoint = (typeof FAIL_POINTS)[number]

const armed = parse(process.env.INSITU_FAILPOINT)

export const failPoint: (name: FailPoint) => void = armed.size === 0 ? () => {} : (name) => hit(armed, name)

/** Which names are armed, and after how many hits; exported for its test. */
export function parse(text: string | undefined): Map<FailPoint, number> {
  const points = new Map<FailPoint, number>()
  for (const part of text ? text.split(',') : []) {
    const [name = '', hits = '1'] = part.trim().split(':')
    if (!isFailPoint(name)) throw new TypeError(`INSITU_FAILPOINT: ${name} is none of ${FAIL_POINTS.join(', ')}`)
    if (!/^[1-9][0-9]*$/.test(hits)) throw new TypeError(`INSITU_FAILPOINT: ${name}:${hits} wants a count of at least 1`)
    points.set(name, Number(hits))
  }
  return points
}

function isFailPoint(name: string): name is FailPoint {
  return (FAIL_POINTS as readonly string[]).includes(name)
}

function hit(points: Map<FailPoint, number>, name: FailPoint): void {
  const left = points.get(name)
  if (left === undefined) return
  points.set(name, left - 1)
  if (left === 1) die()
}

/** SIGKILL, and then not one statement more: from a worker thread the signal may need a moment to reach the main thread. */
function die(): never {
  process.kill(process.pid, 'SIGKILL')
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
}
