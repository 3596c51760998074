import { createColors } from 'picocolors'

type Colors = ReturnType<typeof createColors>

/**
 * Colours for what is written to a stream: on a terminal, unless `NO_COLOR` is set, and elsewhere only where `FORCE_COLOR` asks for them.
 * The package by itself looks at stdout alone, and takes `CI` for a terminal: what scripts read there would begin with an escape.
 */
export function colorsOn(stream: NodeJS.WriteStream): Colors {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env
  return createColors(!NO_COLOR && (isAsked(FORCE_COLOR) || (stream.isTTY === true && TERM !== 'dumb')))
}

const isAsked = (force: string | undefined): boolean => !!force && force !== '0' && force !== 'false'
