export type {
  Command,
  Commands,
  FetchData,
  RecallTasks,
  ReleaseData,
  ReplaceWorkers,
  StartTasks,
  TasksSettled,
  WakeAt,
} from './commands.js'
export {
  Access,
  CONFLICTS_MAX,
  FEED_AHEAD_US,
  FEED_COMMITS_US,
  FEED_TASKS_MAX,
  Flag,
  Kind,
  LOSSES_MAX,
  NONE,
  Policy,
  PRIORITY_MAX,
  PRIORITY_MIN,
  REASON_NAMES,
  RECALL_AFTER_MS,
  RETRIES_MAX,
  Reason,
  Status,
  Why,
} from './constants.js'
export { dump } from './dump.js'
export type * from './events.js'
export { explain, type Names } from './explain.js'
export { checkInvariants } from './invariants.js'
export { ANY_HOST, misfit, type Need, type Offer } from './needs.js'
export { type Choice, decide } from './placement.js'
export { createState, type RuntimeState, type SchedulerOptions } from './state.js'
export { type SchedulerStats, statsOf } from './stats.js'
export { step } from './step.js'
export { IllegalTransition } from './story.js'
export { type TaskView, view } from './view.js'
