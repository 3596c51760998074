/** What `barrier` rejects with: the failures that nobody awaited. */
export class AggregateTaskError extends AggregateError {
  readonly code = 'ERR_TASKS_FAILED'

  constructor(failures: readonly unknown[]) {
    const first = failures[0]
    super(
      failures,
      `${failures.length} task${failures.length === 1 ? '' : 's'} failed; the first: ${first instanceof Error ? first.message : String(first)}`,
    )
  }
}
