import { type ParseArgsConfig, parseArgs } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>

/** Ends a command that was asked for help (0), or is used otherwise than its usage says (2). */
export function endWithUsage(usage: string, why?: string): never {
  console.error(why === undefined ? usage : `${why}\n${usage}`)
  process.exit(why === undefined ? 0 : 2)
}

const HELP = { help: { type: 'boolean', short: 'h' } } as const

/** The options that a command was given; ends it as `endWithUsage` says where they are none of its own. */
export function commandOptions<const T extends Options>(
  usage: string,
  options: T,
): ReturnType<typeof parseArgs<{ options: T & typeof HELP }>>['values'] {
  const given = parsed(usage, { ...options, ...HELP })
  if ('help' in given && given.help) endWithUsage(usage)
  return given
}

function parsed<const T extends Options>(usage: string, options: T): ReturnType<typeof parseArgs<{ options: T }>>['values'] {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return endWithUsage(usage, (error as Error).message)
  }
}
