import { fileURLToPath } from 'node:url'
import { inspect, stripVTControlCharacters } from 'node:util'

/** Where our own code lies, as it is run and as it is written; examples that come with it are programs. */
const OURS = ['lib', 'runtime', 'src', 'backends'].flatMap((name) =>
  [new URL(`../${name}/`, import.meta.url), new URL(`../../${name}/`, import.meta.url)].flatMap((url) => [url.href, fileURLToPath(url)]),
)

/** Whether a line of a stack leads into us, Node, or what parses our command line. */
const leadsElsewhere = (line: string): boolean =>
  /^\s+(at .*(\(|at )node:|\.\.\. \d+ lines matching cause)/.test(line) ||
  (/^\s+at /.test(line) && (OURS.some((folder) => line.includes(folder)) || /[\\/]node_modules[\\/]commander[\\/]/.test(line)))

/** An error as the author of a program reads it: with the places in the program, and none of those that only we know. */
export function readableError(error: unknown): string {
  const lines = inspect(error, { colors: process.stderr.isTTY && process.stderr.hasColors() }).split('\n')
  const kept: string[] = []
  for (const line of lines) {
    const plain = stripVTControlCharacters(line)
    if (!leadsElsewhere(plain)) kept.push(line)
    // The last of the places may open the list of further fields, or end the item of a list.
    else if (/[{,]$/.test(plain)) kept[kept.length - 1] += plain.endsWith('{') ? ' {' : ','
  }
  return kept.join('\n')
}
