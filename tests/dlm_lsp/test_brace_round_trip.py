"""Formatted code in braces or words: take a body out, give it back as the model's text, and get the file again."""

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.fitting.presentation import present
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.scopes import functions_in
from dlm_lsp.languages import language_for
from tests.dlm_lsp.filled_documents import applied
from tests.dlm_lsp.snapshots import snapshot_of
from tests.dlm_lsp.worded_sources import ACCOUNT, BACKUP, STACK

POINT = """\
class Point {
 public:
  Point(int x, int y)
      : x_(x), y_(y) {
    check();
    count += 1;
  }

  bool operator==(const Point& other) const {
    if (x_ == other.x_ &&
        y_ == other.y_) {
      return true;
    }
    return false;
  }
};
"""
READER = """\
public class Reader<T> {
  @Override
  public T read(InputStream in, Map<String, Object> settings)
      throws IOException, InterruptedException {
    var result = parse(in);
    return result;
  }

  Reader(int size)
      throws IOException { // as the superclass does
    super(size);
  }
}
"""
QUEUE = """\
impl<T> Queue<T>
where
    T: Ord,
{
    fn push<F>(&mut self, item: T, check: F) -> bool
    where
        F: Fn(&T) -> bool,
    {
        self.items.push(item);
        true
    }

    fn all(&self) -> Vec<i32> {
        self.items
            .iter()
            .map(|item| {
                let size = item.size();
                size * 2
            })
            .collect()
    }
}
"""
SERVER = """\
package server

func (s *Server) Run(
\taddress string,
) (err error) {
\tdefer func() { s.close() }()
\treturn s.engine.Listen(address,
\t\tfunc(c *Conn) {
\t\t\tc.Answer()
\t\t\tc.Close()
\t\t})
}
"""
VIEW = """\
export class View
    extends Base {
  async load(
    id: string,
    { retries = 3 }: Options = {},
  ): Promise<void> {
    const data = await fetch(id)
      .then((response) => {
        log(response);
        return response.json();
      });
    this.show(data);
  }
}
"""
GNU = """\
static int
find (int *items, int n)
{
  for (int i = 0; i < n; i++)
    {
      if (items[i])
        {
          return i;
        }
    }
  return -1;
}

static int
size (void)
{
  return 0;
}
"""
CACHE = """\
namespace App
{
    public sealed class Cache<T> : IDisposable
        where T : class
    {
        private T value = new()
        {
            Name = $"{1}",
        };

        public T Value
        {
            get
            {
                return value;
            }
        }

        public async Task<T> Load(
            string path)
        {
            #region Reading
            var text = await Read(path);
            #endregion
            foreach (var line in text)
            {
                Add(line);
            }
        }
    }
}
"""
STORE = """\
<?php

namespace App;

final class Store implements Countable
{
    public function __construct(
        private array $items = [],
    ) {
        $this->size = count($items);
    }

    public function all(): array
    {
        $text = <<<EOT
  kept {$this->size}
  EOT;
        return array_map(function ($item) {
            return $item->name;
        }, $this->items);
    }
}
"""
MODEL = """\
class Model(name: String) :
    Base(name) {
    private val cache by lazy {
        Cache()
    }

    constructor() : this("") {
        start()
    }

    override fun load(
        id: Int,
    ): Item? {
        val found = items.firstOrNull { item ->
            item.id == id
        }
        return when (found) {
            null -> fetch(id)
            else -> found
        }
    }
}
"""
TREE = """\
object Tree extends App {
  def sum(tree: Tree): Int = {
    tree match {
      case Leaf(value) =>
        log(s"leaf ${value}")
        value
      case Node(left, right) => sum(left) + sum(right)
    }
  }

  def all(trees: List[Tree])(implicit order: Ordering[Tree]): Unit = {
    trees.sorted.foreach { tree =>
      print(tree)
    }
  }
}
"""
PLAYER = """\
final class Player: Base {
  var title: String {
    get {
      return item.title
    }
    set {
      item.title = newValue
    }
  }

  override init(item: Item) {
    super.init(item: item)
  }

  func play(at time: Double, then done: @escaping () -> Void) {
    guard let item = item else {
      return
    }
    item.seek(to: time) { finished in
      done()
    }
  }
}
"""
SOURCES = [
    *(("cpp", POINT), ("java", READER), ("rust", QUEUE), ("go", SERVER), ("typescript", VIEW), ("c", GNU)),
    *(("csharp", CACHE), ("php", STORE), ("kotlin", MODEL), ("scala", TREE), ("swift", PLAYER)),
    *(("lua", STACK), ("ruby", ACCOUNT), ("bash", BACKUP)),
]


@pytest.mark.parametrize("from_column_0", [False, True], ids=["indented", "from column 0"])
@pytest.mark.parametrize(("language_id", "text"), SOURCES, ids=[row[0] for row in SOURCES])
def test_a_body_comes_back(language_id: str, text: str, from_column_0: bool) -> None:
    language = language_for(None, language_id)
    file = Snapshot.parse("file:///code", language, text)
    num_bodies = 0
    for function in functions_in(language, file.tree.root_node):
        start = file.to_offset(function.items[0].start_byte)
        end = file.to_offset(function.items[-1].end_byte)
        line_start = file.lines.line_start(file.lines.line_of(start))
        if not text[line_start:start].strip():
            num_bodies += 1
            start = line_start if from_column_0 else start
            holed = Snapshot.parse("file:///code", language, text[:start] + text[end:])
            fill = present(find_hole(holed, start), text[start:end])
            assert applied(holed, fill) == text
            assert fill.parse_valid
    assert num_bodies


@pytest.mark.parametrize(
    ("language_id", "header", "indent"),
    [
        ("cpp", "A::A(int b)\n    : b_(b) {", "  "),
        ("java", "class A {\n  void f(int b)\n      throws IOException {", "    "),
        ("go", "func f() {\n\tif a &&\n\t\tb {", "\t\t"),
        ("rust", "fn f() {\n    if a\n        && b {", "        "),
        ("javascript", "class A\n    extends B {", "  "),
        ("c", "int\nf ()\n{\n  if (a\n      && b) {", "    "),
    ],
)
def test_a_body_is_relative_to_where_its_header_begins(language_id: str, header: str, indent: str) -> None:
    closers = "\n".join([indent[: len(indent) // 2] + "}", "}"]) if header.count("{") == 2 else "}"
    text = f"{header}\n{indent}\n{closers}\n"
    snapshot = snapshot_of(language_id, text)
    hole = find_hole(snapshot, len(header) + 1 + len(indent))
    fill = present(hole, "one();\ntwo();")
    assert applied(snapshot, fill) == f"{header}\n{indent}one();\n{indent}two();\n{closers}\n"


def test_what_is_put_between_braces_is_closed_where_the_header_begins() -> None:
    before, after = "class A {\n  A(int b)\n      : b_(b) {", "}\n};\n"
    snapshot = snapshot_of("cpp", before + after)
    fill = present(find_hole(snapshot, len(before)), "one();\ntwo();")
    assert applied(snapshot, fill) == f"{before}\n    one();\n    two();\n  {after}"
