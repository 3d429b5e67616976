/** The templates of this package: the C and the project files that it writes. */
import { readdirSync, readFileSync } from 'node:fs';
import { Templates } from '../../compiler/codegen/templates.js';
import { packageFile } from '../../package.js';

const extension = '.hbs';

/** Path below templates/ without extension → text. */
export function packageTemplateTexts(): ReadonlyMap<string, string> {
  const paths = readdirSync(packageFile('templates'), { recursive: true, encoding: 'utf8' });
  return new Map(
    paths
      .filter((path) => path.endsWith(extension))
      .map((path) => [
        path.slice(0, -extension.length).replaceAll('\\', '/'),
        readFileSync(packageFile(`templates/${path}`), 'utf8'),
      ]),
  );
}

let templates: Templates | undefined;

export function packageTemplates(): Templates {
  templates ??= new Templates(packageTemplateTexts());
  return templates;
}

/** The text of templates/<path>.hbs. @throws InternalError when the template or a name is missing */
export const render: Templates['render'] = (path, context) =>
  packageTemplates().render(path, context);
