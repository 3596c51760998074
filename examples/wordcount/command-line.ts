type Values<Names extends readonly string[]> = { [K in keyof Names]: Names[K] extends `[${string}]` ? string | undefined : string }

/**
 * The program's arguments by name; a name in brackets may be left out. A wrong number of them ends the program with its
 * usage and exit code 2.
 */
export function commandLine<const Names extends readonly string[]>(program: string, ...names: Names): Values<Names> {
  const given = process.argv.slice(2)
  const required = names.filter((name) => !name.startsWith('[')).length
  if (given.length < required || given.length > names.length || given.some((arg) => arg === '' || arg.startsWith('-'))) {
    process.stderr.write(`usage: ${program} ${names.join(' ')}\n`)
    process.exit(given.includes('--help') ? 0 : 2)
  }
  let optional = given.length - required
  let next = 0
  return names.map((name) => (name.startsWith('[') && optional-- <= 0 ? undefined : given[next++])) as Values<Names>
}
