import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { DRAWN_NODES_MAX, graphDot } from '../../runtime/observe/graph-dot.js'
import { graphSvg } from '../../runtime/observe/graph-svg.js'
import {
  grouped,
  latestRunRecord,
  RECORDED_NODES_MAX,
  RECORDS_KEPT,
  type RunRecord,
  readRunRecord,
  type TaskGraph,
  writeRunRecord,
} from '../../runtime/observe/run-record.js'
import { CorruptError, NotFoundError, ValidationError } from '../../src/errors.js'
import { newId } from '../../src/ids.js'

const small: TaskGraph = {
  nodes: [
    { id: 0, name: 'wordCount', state: 'done', worker: 'w1' },
    { id: 1, name: 'wordCount', state: 'failed', worker: 'w2' },
    { id: 2, name: 'reduce "all"\\\n', state: 'cancelled' },
  ],
  edges: [
    [0, 2],
    [1, 2],
  ],
}

const large = (tasks: number): TaskGraph => ({
  nodes: Array.from({ length: tasks }, (_, id) => ({ id, name: id % 2 ? 'reduce' : 'map', state: 'done' })),
  edges: Array.from({ length: tasks / 2 }, (_, i) => [2 * i, 2 * i + 1] as const),
})

const record = (graph: TaskGraph = small): RunRecord => ({
  format: 1,
  run: newId(),
  program: 'app.ts',
  storage: 'memory:',
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:00:01.000Z',
  stats: { tasks: graph.nodes.length },
  graph,
})

const rejection = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('run records', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-records-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it('come back as they were written; the latest is the one whose run started last', async () => {
    const [first, second] = [record(), record()]
    await writeRunRecord(second, folder)
    await writeRunRecord(first, folder)
    expect(await readRunRecord(first.run, folder)).to.deep.equal(first)
    expect(await latestRunRecord(folder)).to.deep.equal(second)
  })

  it('of old runs are removed, and nothing half-written is left', async () => {
    const runs = Array.from({ length: RECORDS_KEPT + 3 }, () => record())
    for (const each of runs) await writeRunRecord(each, folder)
    expect((await readdir(join(folder, 'runs'))).sort()).to.deep.equal(runs.slice(3).map(({ run }) => `${run}.json`))
  })

  it('of very large runs keep the graph by task name', async () => {
    const run = record(large(RECORDED_NODES_MAX + 2))
    await writeRunRecord(run, folder)
    const { graph } = await readRunRecord(run.run, folder)
    const half = RECORDED_NODES_MAX / 2 + 1
    expect(graph).to.deep.equal({
      groups: [
        { name: 'map', tasks: half, failed: 0 },
        { name: 'reduce', tasks: half, failed: 0 },
      ],
      links: [[0, 1, half]],
    })
  })

  it('that are missing, damaged, of another format, or asked for by a path are typed errors', async () => {
    expect(await rejection(latestRunRecord(folder))).to.be.instanceOf(NotFoundError)
    expect(await rejection(readRunRecord(newId(), folder))).to.be.instanceOf(NotFoundError)
    expect(await rejection(readRunRecord('../../etc/passwd', folder))).to.be.instanceOf(ValidationError)
    const { run } = record()
    await writeRunRecord({ ...record(), run }, folder)
    for (const damage of ['{"format":1', '{"format":2,"graph":{}}', 'null']) {
      await writeFile(join(folder, 'runs', `${run}.json`), damage)
      expect(await rejection(readRunRecord(run, folder)), damage).to.be.instanceOf(CorruptError)
    }
  })
})

describe('the drawn graph', function () {
  this.timeout(60_000)

  it('has a node per task and an edge per dependency', () => {
    const dot = graphDot(small)
    expect(dot.match(/\[label=/g)).to.have.lengthOf(3)
    expect(dot.match(/ -> /g)).to.have.lengthOf(2)
    expect(dot).to.include('task 1: failed on w2')
  })

  it('hands on nothing of a name that a terminal obeys', () => {
    const named = { nodes: [{ id: 0, name: 'a\u001b[31m\u009b\nb', state: 'done' }], edges: [] }
    expect(graphDot(named)).to.include('label="a [31m b"')
  })

  it('stays well-formed whatever tasks are called', async () => expect(await graphSvg(small)).to.include('reduce &quot;all&quot;\\'))

  it(`is by task name above ${DRAWN_NODES_MAX} tasks`, () => {
    expect(graphDot(large(DRAWN_NODES_MAX)).match(/label="map"/g)).to.have.lengthOf(DRAWN_NODES_MAX / 2)
    expect(graphDot(large(DRAWN_NODES_MAX + 2)).match(/\[label=/g)).to.have.lengthOf(3)
    expect(graphDot(large(DRAWN_NODES_MAX + 2))).to.equal(graphDot(grouped(large(DRAWN_NODES_MAX + 2))))
  })
})
