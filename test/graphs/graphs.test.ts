import { assert } from 'chai'
import { notRun } from '../tools/not-run.js'
import { Cluster } from './cluster.js'
import { type ComparedLine, compareAll, geometricMean, limitsOf, linksOf, simulateWorkflows } from './compare.js'
import { esteeGraphs, graphFolder, references } from './graph-files.js'
import { MaxMinLinks } from './links.js'
import { runListScheduler } from './list-scheduler.js'
import { StepScheduler } from './step-scheduler.js'
import { inOrder, Numbered, type TaskGraph } from './task-graph.js'

const folder = graphFolder()

describe('published task graphs on a simulated cluster', function () {
  this.timeout(120_000)
  before(function () {
    if (folder === undefined) notRun(this, 'the graphs are not here')
  })

  it('the simulator gives published makespans for a published rule', () => {
    // Rows whose makespan does not depend on how the rule breaks ties: the published minimum and maximum are the same.
    const graphs = new Map(esteeGraphs(folder!).map((graph) => [graph.name, graph]))
    const exact = references(folder!).filter(({ graph }) => ['plain1n', 'plain1e', 'crossv', 'nestedcrossv', 'bigmerge'].includes(graph))
    assert.lengthOf(exact, 20)
    for (const { graph, workers, units, network, makespans } of exact) {
      const numbered = new Numbered(graphs.get(graph)!)
      const cluster = new Cluster(numbered, workers, units, linksOf(network, workers), limitsOf(network))
      runListScheduler(numbered, cluster)
      assert.approximately(cluster.makespan / makespans.get('blevel-gt')!, 1, 0.001, `${graph} on ${workers} workers, ${network}`)
    }
  })

  it('the scheduler is within 1.05 of the best of six by geometric mean, and nowhere beyond 1.3', () => {
    const lines = [...compareAll(folder!)]
    const rows = new Set(lines.map(({ graph, cluster, network }) => `${graph} ${cluster} ${network}`))
    assert.equal(rows.size, 105, '26 graphs in four configurations, one graph in one')
    for (const { graph, workers, units, network, makespans } of references(folder!)) {
      const line = lines.find((one) => one.graph === graph && one.cluster === `${workers}x${units}` && one.network === network)!
      assert.equal(line.ratio, line.makespan / Math.min(...makespans.values()), graph)
    }
    const ratios = lines.map(({ ratio }: ComparedLine) => ratio)
    assert.isAtMost(geometricMean(ratios), 1.05)
    const beyond = lines
      .filter(({ ratio }) => ratio > 1.3)
      .map(({ graph, cluster, network, ratio }) => `${graph} ${cluster} ${network} ${ratio}`)
    assert.deepEqual(beyond, [])
  })

  it('no recorded workflow takes less than its longest chain or all its work, and none twice as long', () => {
    const lines = [...simulateWorkflows(folder!)]
    assert.lengthOf(lines, 30)
    for (const { graph, makespan, bound } of lines) {
      assert.isAtLeast(makespan, bound * 0.999_999, graph)
      assert.isAtMost(makespan, bound * 2, graph)
    }
  })

  it('every law of the state holds after every step', () => {
    const all = esteeGraphs(folder!).filter(({ name }) => ['fastcrossv', 'plain1cpus', 'montage', 'merge_triplets'].includes(name))
    for (const graph of all) {
      const numbered = new Numbered(graph)
      new StepScheduler(numbered, new Cluster(numbered, 8, 4, linksOf('maxmin', 8)), 128, { checked: true }).run()
    }
  })
})

describe('simulated cluster', () => {
  const graphOf = (tasks: TaskGraph['tasks']): Numbered => new Numbered({ set: 'test', name: 'test', tasks: inOrder(tasks) })
  const task = (seconds: number, outputs: number[] = [], inputs: [number, number][] = [], units = 1): TaskGraph['tasks'][number] => ({
    seconds,
    units,
    outputs,
    inputs,
  })

  it('a task starts when its inputs have come and its units are free', () => {
    const numbered = graphOf([task(1, [256]), task(5, []), task(2, [], [[0, 0]])])
    const cluster = new Cluster(numbered, 2, 1, linksOf('simple', 2))
    cluster.assign(0, 0, 3)
    cluster.assign(1, 1, 2)
    cluster.assign(2, 1, 1)
    while (cluster.next()) {}
    assert.equal(cluster.makespan, 7, 'the download ends at 3, the unit is free at 5')
  })

  it('a wide task waits, and does not keep smaller ones waiting unless it says so', () => {
    const numbered = graphOf([task(4, [], []), task(1, [], [], 2), task(2, [], [])])
    for (const [block, end] of [
      [Number.NEGATIVE_INFINITY, 5],
      [2, 7],
    ] as const) {
      const cluster = new Cluster(numbered, 1, 2, linksOf('simple', 1))
      cluster.assign(0, 0, 3)
      cluster.assign(1, 0, 2, block)
      cluster.assign(2, 0, 1)
      while (cluster.next()) {}
      assert.equal(cluster.makespan, end)
    }
  })

  it('links share what their ends can send and receive, max-min fairly', () => {
    const links = new MaxMinLinks(4, 100)
    const open = (from: number, to: number, mib: number): void => links.open({ from, to, object: from, mib }, 0)
    open(0, 1, 50)
    open(0, 2, 50)
    open(3, 2, 100)
    assert.equal(links.nextEnd(), 1, '50 a second from 0 to each, and what is left of 2 for 3')
    assert.lengthOf(links.takeEnded(1), 2)
    assert.approximately(links.nextEnd(), 1.5, 1e-9, 'the 50 left go at 100')
  })

  it('a worker downloads at most four objects at a time, two of them from one source', () => {
    const makers = Array.from({ length: 6 }, () => task(0, [128]))
    const numbered = graphOf([
      ...makers,
      task(
        1,
        [],
        makers.map((_, i) => [i, 0]),
      ),
    ])
    const cluster = new Cluster(numbered, 3, 6, linksOf('simple', 3))
    for (let i = 0; i < 6; i++) cluster.assign(i, i < 4 ? 0 : 1, 1)
    cluster.assign(6, 2, 1)
    while (cluster.next()) {}
    assert.equal(cluster.makespan, 3, 'two and two in the first second, the last two from the first in the second')
  })

  it('graphs told out of order are put into order', () => {
    const ordered = inOrder([task(1, [], [[1, 0]]), task(2, [5])])
    assert.deepEqual(
      ordered.map(({ seconds, inputs }) => [seconds, inputs]),
      [
        [2, []],
        [1, [[0, 0]]],
      ],
    )
  })
})
