"""Makes this repository an nbgrader course: solutions/ is the source, notebooks/ is what learners open.

Run nbgrader's commands, and JupyterLab for its formgrader, in the root of the repository.
"""

from autograder.nbgrader_plugin import configure

c = get_config()  # noqa: F821  (Jupyter puts this name here when it reads the file)

c.CourseDirectory.course_id = "seqattn"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"

# What a class hands in and gets back lives in one folder that git ignores. So does gradebook.db, which
# nbgrader puts beside this file by itself.
c.CourseDirectory.submitted_directory = "course/submitted"
c.CourseDirectory.autograded_directory = "course/autograded"
c.CourseDirectory.feedback_directory = "course/feedback"
c.CourseDirectory.solution_directory = "course/solution"
c.CourseDirectory.source_with_tests_directory = "course/source_with_tests"

# The text of a lesson (tools/lessons.py text) holds its solutions and lies beside its notebook. It must not
# travel to the learners with it.
c.CourseDirectory.ignore.append("[0-9][0-9]_*.py")

c.ClearSolutions.code_stub = {"python": "# Write your answer here.\nraise NotImplementedError()"}
c.ClearSolutions.text_stub = "*Write your answer here.*"

# Submissions are graded in the autograder's sandbox, from clean copies, which lie in a folder of their own
# while a run lasts. c.GradeInSandbox.wall_seconds sets how long one exercise may take.
configure(c)
c.AutogradeCleanCopies.prepared_directory = "course/prepared"

# The exchange is the folder through which release_assignment, submit and collect pass files between accounts.
# Its place belongs to the machine and not to the course, so it is not set here. A teacher working alone puts
#     c.Exchange.root = "/some/folder/everyone/may/write"
# in ~/.jupyter/nbgrader_config.py, or passes --Exchange.root=FOLDER to each command.
